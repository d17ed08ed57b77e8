//! Generated part of `docs/configuration.md`: the reference of the settings.
//!
//! `STENTOR_WRITE=1 cargo test -p stentor-cli --test readme` writes it anew.

use std::path::Path;

use stentor_cli::Settings;

const MARK: &str = "<!-- generated: cargo test -p stentor-cli --test readme -->\n";

#[test]
fn the_reference_of_the_settings_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(&path).expect("a page");
    let (text, reference) = page.split_once(MARK).expect("the mark");
    let generated = Settings::reference();
    if std::env::var_os("STENTOR_WRITE").is_some() {
        std::fs::write(&path, format!("{text}{MARK}{generated}")).expect("written");
        return;
    }
    for (written, generated) in reference.lines().zip(generated.lines()) {
        assert_eq!(written, generated, "STENTOR_WRITE=1 writes it anew");
    }
    assert_eq!(reference.lines().count(), generated.lines().count());
}
