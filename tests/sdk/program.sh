# Sourced by the scripts of this folder: chooses the server under test.

target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/sdk
mkdir -p "$out"

# program NAME: sets `program` to the path of the server of this name, built as for other tests; a name
# with a slash is a path already.
program() {
    case $1 in
        */*) program=$1 ;;
        stentor | stentor-std)
            program=$target/debug/$1-under-test
            cargo build --locked --workspace --all-features --bin "$1-under-test"
            ;;
        *)
            echo "no such server: $1" >&2
            return 2
            ;;
    esac
}
