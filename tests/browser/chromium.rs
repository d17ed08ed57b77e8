//! Headless Chromium and the actions of its user: open a page, inspect it, type, click, read the
//! console.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::devtools::DevTools;

/// A browser of its own, with a profile of its own. Ended and swept away when dropped.
pub(crate) struct Chromium {
    devtools: DevTools,
    // Before the profile, which it writes to.
    process: BrowserProcess,
    _profile: TempDir,
}

/// One page of it.
pub(crate) struct Tab {
    session: String,
    target: String,
}

/// The program, if there is one on this machine.
pub(crate) fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("STENTOR_CHROMIUM").filter(|name| !name.is_empty()) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "STENTOR_CHROMIUM: no {}", named.display());
        return Some(named);
    }
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

impl Chromium {
    pub(crate) fn start(program: &Path) -> Self {
        let profile = tempfile::Builder::new()
            .prefix("stentor-chromium-")
            .tempdir()
            .expect("a folder");
        let child = Command::new(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .env("XDG_CACHE_HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium starts");
        let mut process = BrowserProcess(child);
        let (port, path) = process.door(&profile.path().join("DevToolsActivePort"));
        let devtools = DevTools::connect(port, &path).expect("DevTools answer");
        Self {
            devtools,
            process,
            _profile: profile,
        }
    }

    /// Opens a page in a tab of its own, and listens to its console from the beginning.
    pub(crate) fn open(&mut self, url: &str) -> Tab {
        let blank = json!({ "url": "about:blank" });
        let target = self.devtools.call(None, "Target.createTarget", blank);
        let target = text(&target["targetId"]);
        let attach = json!({ "targetId": target, "flatten": true });
        let session = self.devtools.call(None, "Target.attachToTarget", attach);
        let session = text(&session["sessionId"]);
        let tab = Tab { session, target };
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            self.call(&tab, domain, json!({}));
        }
        let opened = self.call(&tab, "Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        tab
    }

    /// The value of an expression in the page.
    pub(crate) fn evaluate(&mut self, tab: &Tab, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let mut answer = self.call(tab, "Runtime.evaluate", params);
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn wait(&mut self, tab: &Tab, expression: &str) {
        let begin = Instant::now();
        while self.evaluate(tab, expression) != true {
            if begin.elapsed() > PATIENCE {
                let shown = self.evaluate(tab, "document.body.innerText");
                panic!("never true: {expression}\n{shown}\n{:?}", self.lines(tab));
            }
            self.devtools.listen(PAUSE);
        }
    }

    pub(crate) fn wait_for_text(&mut self, tab: &Tab, selector: &str, wanted: &str) {
        let wanted = Value::from(wanted);
        let ready = "document.readyState === 'complete'";
        let says = format!("document.querySelector('{selector}')?.textContent === {wanted}");
        self.wait(tab, &format!("{ready} && {says}"));
    }

    /// Waits until the page has written so many lines to its console.
    pub(crate) fn wait_for_lines(&mut self, tab: &Tab, count: usize) {
        let begin = Instant::now();
        while self.lines(tab).len() < count {
            assert!(
                begin.elapsed() < PATIENCE,
                "no {count} lines: {:?} {:?}",
                self.lines(tab),
                self.complaints(tab)
            );
            self.devtools.listen(PAUSE);
        }
    }

    /// What the page has written to its console, one line a call.
    pub(crate) fn lines(&self, tab: &Tab) -> Vec<String> {
        let calls = self
            .devtools
            .events(&tab.session, "Runtime.consoleAPICalled");
        let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
        let line = |call: &Value| {
            let said: Vec<String> = call["args"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|argument| words(&argument["value"]))
                .collect();
            said.join(" ")
        };
        calls.map(line).collect()
    }

    /// What the browser has to complain of: errors, broken policies, exceptions.
    pub(crate) fn complaints(&self, tab: &Tab) -> Vec<String> {
        let entries = self.devtools.events(&tab.session, "Log.entryAdded");
        let errors = entries
            .map(|event| &event["entry"])
            .filter(|entry| entry["level"] == "error")
            .map(|entry| text(&entry["text"]));
        let thrown = self
            .devtools
            .events(&tab.session, "Runtime.exceptionThrown");
        errors.chain(thrown.map(Value::to_string)).collect()
    }

    /// The ids of what is shown and cannot be pressed.
    pub(crate) fn disabled(&mut self, tab: &Tab) -> Vec<String> {
        let ids = "[...document.querySelectorAll(':disabled')]\
            .filter((one) => one.checkVisibility()).map((one) => one.id)";
        serde_json::from_value(self.evaluate(tab, ids)).expect("a list of ids")
    }

    /// Writes into a field, in place of what is there.
    pub(crate) fn write(&mut self, tab: &Tab, selector: &str, words: &str) {
        self.click(tab, selector);
        self.evaluate(tab, "document.activeElement.select()");
        self.call(tab, "Input.insertText", json!({ "text": words }));
        let is = format!("document.querySelector('{selector}').value");
        assert_eq!(self.evaluate(tab, &is), words);
    }

    pub(crate) fn press_enter(&mut self, tab: &Tab) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "text": "\r",
                "windowsVirtualKeyCode": 13,
            });
            self.call(tab, "Input.dispatchKeyEvent", key);
        }
    }

    /// Presses the mouse in the middle of an element.
    pub(crate) fn click(&mut self, tab: &Tab, selector: &str) {
        let target = json!({ "targetId": tab.target });
        self.devtools.call(None, "Target.activateTarget", target);
        let place = self.evaluate(
            tab,
            &format!(
                "(() => {{ const one = document.querySelector('{selector}'); \
                 one.scrollIntoView({{ block: 'center' }}); \
                 const box = one.getBoundingClientRect(); \
                 return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()"
            ),
        );
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place["x"], "y": place["y"],
                "button": "left", "clickCount": 1,
            });
            self.call(tab, "Input.dispatchMouseEvent", event);
        }
    }

    /// Ends it in an orderly way, so that none of its processes is left.
    pub(crate) fn quit(mut self) {
        self.devtools.call(None, "Browser.close", json!({}));
        self.process.wait();
    }

    fn call(&mut self, tab: &Tab, method: &str, params: Value) -> Value {
        self.devtools.call(Some(&tab.session), method, params)
    }
}

/// The browser's first process, which takes the others with it.
struct BrowserProcess(Child);

impl BrowserProcess {
    /// Waits for the file in which it says how it is to be spoken to.
    fn door(&mut self, file: &Path) -> (u16, String) {
        let begin = Instant::now();
        loop {
            if let Ok(said) = fs::read_to_string(file)
                && let Some((port, path)) = said.split_once('\n')
                && let Ok(port) = port.parse()
                && !path.is_empty()
            {
                return (port, path.trim().into());
            }
            if let Some(status) = self.0.try_wait().expect("a child") {
                panic!("Chromium has ended at once: {status}");
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "Chromium does not open its door"
            );
            thread::sleep(PAUSE);
        }
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while self.0.try_wait().is_ok_and(|status| status.is_none()) && begin.elapsed() < PATIENCE {
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for BrowserProcess {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.0.try_wait() {
            return;
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
        // The others notice a moment later; until then they write to the profile.
        thread::sleep(Duration::from_millis(300));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

const FLAGS: &[&str] = &[
    "--headless",
    // Refused to root otherwise, and it only ever sees pages of this machine.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-crash-reporter",
    // A tab behind another is to be as quick as the one in front.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--remote-debugging-port=0",
];
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
