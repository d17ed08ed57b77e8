#!/usr/bin/env bash
# Runs the Autobahn WebSocket Testsuite (fuzzing client and fuzzing server).
#
#   suite.sh [OPTION...] ws://127.0.0.1:PORT AGENT [CASE...]
#       tests the echo server that listens at this address
#   suite.sh [OPTION...] --serve ws://127.0.0.1:PORT AGENT [CASE...] -- COMMAND...
#       listens at this address and tests the echo client that COMMAND runs; it
#       must name AGENT as its agent and ask for /updateReports at its end
#   suite.sh [OPTION...] --install
#       only installs the suite
#
# CASE is a case or a pattern ('7.*', '9.1.1'); without any, all 517 are run.
# Options:
#   --dir DIR        where the suite and the reports are kept
#                    (default: ${CARGO_TARGET_DIR:-target}/autobahn)
#   --exclude CASE   leaves cases out (may be repeated)
#   --require-all    an UNIMPLEMENTED case counts as failed: for an agent that
#                    must negotiate permessage-deflate (cases 12.* and 13.*)
#   --strict         a NON-STRICT case counts as failed
#   --timeout SECS   ends the whole run (default: 3600)
#   --python PYTHON  the interpreter (default: python3, 3.9 or newer)
#
# The suite is written for Python 2.7.  With Python 3 the installed copy is
# rewritten (PORT below); with --python PATH/python2.7 it is run as published.
# Both come from PyPI and stay inside DIR.  The report is
# DIR/reports/AGENT/index.json (and index.html, and one file for every case).
# Exit status: 0 all passed, 1 a case failed or is missing, 2 the run broke.
set -euo pipefail

SUITE=autobahntestsuite==25.10.1
# the library it is written for, and what that needs; the same for every Python 3
PINS3=(autobahn==0.10.9 txaio==2.1.0 six==1.17.0 Twisted==24.11.0 attrs==25.3.0
       Automat==24.8.1 constantly==23.10.4 hyperlink==21.0.0 idna==3.10
       incremental==24.7.2 typing_extensions==4.12.2 zope.interface==7.2)
BUILD3=(setuptools==75.8.0 wheel==0.45.1)
PINS2=(autobahn==0.10.9 txaio==2.1.0 six==1.17.0 Twisted==20.3.0 attrs==21.4.0
       Automat==22.10.0 PyHamcrest==1.10.1 constantly==15.1.0 hyperlink==21.0.0
       idna==2.10 incremental==22.10.0 typing==3.10.0.0 zope.interface==5.5.2
       pyOpenSSL==21.0.0 cryptography==3.3.2 cffi==1.15.1 pycparser==2.21
       enum34==1.1.10 ipaddress==1.0.23 service-identity==21.1.0 pyasn1==0.5.1
       pyasn1-modules==0.3.0 Jinja2==2.11.3 MarkupSafe==1.1.1 wsaccel==0.6.6
       unittest2==1.1.0 traceback2==1.4.0 linecache2==1.0.0 argparse==1.4.0)

die() { echo "suite.sh: $*" >&2; exit 2; }
usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit "$1"; }

dir=${CARGO_TARGET_DIR:-target}/autobahn
python=python3 serve=0 install=0 require_all=0 strict=0 limit=3600
excludes=()
while [ $# -gt 0 ]; do
    case $1 in
        --dir) dir=$2; shift 2 ;;
        --exclude) excludes+=("$2"); shift 2 ;;
        --require-all) require_all=1; shift ;;
        --strict) strict=1; shift ;;
        --timeout) limit=$2; shift 2 ;;
        --python) python=$2; shift 2 ;;
        --serve) serve=1; shift ;;
        --install) install=1; shift ;;
        -h|--help) usage 0 ;;
        -*) die "unknown option $1" ;;
        *) break ;;
    esac
done

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "no usable $python"
case $version in
    2.7) py2=1 ;;
    3.[0-8]) die "needs Python 3.9 or newer, not $version" ;;
    3.*) py2=0 ;;
    *) die "needs Python 3, not $version" ;;
esac
[ $py2 = 0 ] || [ $serve = 0 ] || die "--serve needs Python 3: the suite as published would listen on every interface"
home=$dir/py$version
venv=$home/venv

port() { # SRC DST
"$venv/bin/python" - "$@" <<'PORT'
# Rewrites the suite (Python 2.7 source) so that its fuzzing client and server
# run on Python 3.  There every payload is a byte string.  Here those literals
# stay str, one character (U+0000..U+00FF) for each octet, so the cases are kept
# as they are; Octets converts where a case meets the Autobahn library.
import os, re, shutil, sys

SRC, DST = sys.argv[1:3]
KEEP = ["_version.py", "case", "caseset.py", "fuzzing.py", "report.py", "testdata", "web"]

PY3 = r'''
import binascii as _binascii, codecs
import autobahn.websocket.protocol as _protocol

def octets(s):
    return s.encode("latin-1") if isinstance(s, str) else s

def chars(b):
    return b if isinstance(b, str) else b.decode("latin-1")

class binascii:
    b2a_hex = hexlify = staticmethod(lambda s: _binascii.b2a_hex(octets(s)).decode("ascii"))

class Length(int):
    # Autobahn 0.10.9 computes range(payload_len / len(payload))
    __truediv__ = int.__floordiv__

class Octets:
    """Goes between a fuzzing protocol and its Autobahn base class."""
    def sendFrame(self, opcode, payload=b"", fin=True, rsv=0, mask=None,
                  payload_len=None, chopsize=None, sync=False):
        super().sendFrame(opcode, octets(payload), fin, rsv, mask,
                          None if payload_len is None else Length(payload_len), chopsize, sync)
    def sendMessage(self, payload, *args, **kw):
        return super().sendMessage(octets(payload), *args, **kw)
    def sendMessageFrame(self, payload, *args, **kw):
        return super().sendMessageFrame(octets(payload), *args, **kw)
    def sendMessageFrameData(self, payload, *args, **kw):
        return super().sendMessageFrameData(octets(payload), *args, **kw)
    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, octets(reasonUtf8), isReply)
        if isinstance(self.localCloseReason, bytes):
            self.localCloseReason = chars(self.localCloseReason)

# the two hot loops of the library, which are slow in Python
class XorMasker:
    def __init__(self, mask, length=None):
        self.mask, self.ptr = mask, 0
    def pointer(self):
        return self.ptr
    def reset(self):
        self.ptr = 0
    def process(self, data):
        n, k = len(data), self.ptr & 3
        mask = ((self.mask[k:] + self.mask[:k]) * (n // 4 + 1))[:n]
        self.ptr += n
        return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(n, "little")

class Utf8Validator:
    def __init__(self):
        self.reset()
    def reset(self):
        self.decoder, self.total = codecs.getincrementaldecoder("utf-8")(), 0
    def validate(self, data):
        data = octets(data)
        try:
            self.decoder.decode(data)
        except UnicodeDecodeError:
            return False, False, 0, self.total
        self.total += len(data)
        return True, not self.decoder.getstate()[0], len(data), self.total

_protocol.createXorMasker = XorMasker
_protocol.Utf8Validator = Utf8Validator
'''

MAIN = r'''
import json, optparse, sys
from twisted.internet import reactor
from twisted.python import log
from autobahntestsuite import fuzzing

log.addObserver(lambda e: e.get("isError") and print(log.textFromEventDict(e), file=sys.stderr))
p = optparse.OptionParser()
p.add_option("-m", dest="mode")
p.add_option("-s", dest="spec")
p.add_option("-u", dest="webport", type="int", default=0)
o, _ = p.parse_args()
with open(o.spec, encoding="utf-8") as f:
    spec = json.load(f)
cases = fuzzing.CaseSet(fuzzing.CaseSetname, fuzzing.CaseBasename, fuzzing.Cases,
                        fuzzing.CaseCategories, fuzzing.CaseSubCategories)
wanted = cases.parseSpecCases(spec)
unknown = [c for c in wanted if c not in cases.CasesById]
if unknown or not wanted:
    sys.exit("no such case: %s" % (", ".join(unknown) or ", ".join(spec["cases"])))
{"fuzzingclient": fuzzing.startClient,
 "fuzzingserver": lambda spec: fuzzing.startServer(spec, o.webport)}[o.mode](spec)
reactor.run()
'''

# for every file: (pattern, replacement)
ALL = [
    (r"\bxrange\(", "range("),
    (r"([\w.\[\]]+)\.has_key\(([^()]+)\)", r"(\2 in \1)"),
    (r"^( *)print (.+)$", r"\1print(\2)"),
    (r"^( *)print$", r"\1print()"),
    (r"^from (case\w*|caseset|report) import ", r"from .\1 import "),
    (r"^(import .*), pkg_resources\b", r"\1"),
    (r"\bpkg_resources\.resource_filename\(\"autobahntestsuite\",\s*", "_resource("),
    (r"^import binascii$", "from autobahntestsuite._py3 import binascii"),
    (r"\(object, Case, \)", "(Case, )"),
]
RESOURCE = """
def _resource(path):
   import autobahntestsuite
   return os.path.join(os.path.dirname(os.path.abspath(autobahntestsuite.__file__)), *path.split("/"))
"""
# for one file: (text, replacement); the text must be there
ONE = {
    "case/__init__.py": [("from .case9_9_1 import *\n", "")],
    "case/case.py": [("pickle.dumps(obj1) == pickle.dumps(obj2)", "obj1 == obj2")],
    "case/case10_1_1.py": [("len(self.payload) / self.p", "len(self.payload) // self.p")],
    "case/case6_x_x.py": [("from autobahn.websocket.utf8validator import", "from autobahntestsuite._py3 import")],
    "case/case12_x_x.py": [
        ("hashlib, binascii\n", "hashlib\nfrom autobahntestsuite._py3 import binascii, octets\n" + RESOURCE),
        ("def onMessage(self, msg, binary):\n", "def onMessage(self, msg, binary):\n   msg = octets(msg)\n"),
    ],
    "fuzzing.py": [
        ("import os, json, binascii, time, textwrap\n",
         "import os, json, time, textwrap\nfrom ._py3 import binascii, octets, chars, Octets\n" + RESOURCE),
        ("from twisted.internet import reactor, ssl\n", "from twisted.internet import reactor\n"),
        ("   ellipses = \" ...\"\n   try:\n", "   ellipses = b\" ...\"\n   data = octets(data)\n   try:\n"),
        ("p = ''.join(payload)", "p = b''.join(payload)"),
        ("self.runCase.onPong(payload)", "self.runCase.onPong(chars(payload))"),
        ("self.runCase.onMessage(msg, binary)", "self.runCase.onMessage(chars(msg), binary)"),
        ("class FuzzingServerProtocol(FuzzingProtocol, ", "class FuzzingServerProtocol(FuzzingProtocol, Octets, "),
        ("class FuzzingClientProtocol(FuzzingProtocol, ", "class FuzzingClientProtocol(FuzzingProtocol, Octets, "),
        ("listenWS(factory, sslContext)", "listenWS(factory, sslContext, interface = factory.host)"),
        ("self.Case.DESCRIPTION,", "octets(self.Case.DESCRIPTION).decode('utf8'),"),
        ("f.write('      <p class=\"case_text_block case_desc\"><b>Case Description</b><br/><br/>%s</p>\\n' % CCase.DESCRIPTION)",
         "f.write('      <p class=\"case_text_block case_desc\"><b>Case Description</b><br/><br/>%s</p>\\n' % octets(CCase.DESCRIPTION).decode('utf8'))"),
        ("ll.encode('utf8')", "ll"),
        ("self.http_request_data if", "chars(self.http_request_data) if"),
        ("self.http_response_data if", "chars(self.http_response_data) if"),
        ("% (c[0], case[c[0]], c[1])).encode(\"utf-8\"))", "% (c[0], case[c[0]], c[1])))"),
        ("report_filename), 'w')", "report_filename), 'w', encoding = 'utf-8', errors = 'replace')"),
        ("json.dumps(case, sort_keys = True", "json.dumps(case, default = chars, sort_keys = True"),
        # TLS would need pyOpenSSL
        ("self.contextFactory = ssl.optionsForClientTLS(hostname)", "raise Exception('no TLS')"),
        ("self.contextFactory = ssl.ClientContextFactory()", "self.contextFactory = None"),
    ],
}


def rewrite(name, text):
    for pattern, new in ALL:
        text = re.sub(pattern, new, text, flags=re.M)
    for old, new in ONE.get(name, []):
        if old not in text:
            sys.exit("port: %s: not found: %r" % (name, old))
        text = text.replace(old, new)
    if name == "report.py":  # only its style sheets are wanted
        text = text[text.index("CSS_COMMON ="):text.index("REPORT_DIR_PERMISSIONS")]
    compile(text, name, "exec")
    return text


shutil.rmtree(DST, ignore_errors=True)
os.makedirs(DST)
skip = shutil.ignore_patterns("__pycache__", "*.pyc", "case9_9_1.py")
for name in KEEP:
    path = os.path.join(SRC, name)
    if os.path.isdir(path):
        shutil.copytree(path, os.path.join(DST, name), ignore=skip)
    else:
        shutil.copy(path, DST)
for folder, _, files in os.walk(DST):
    for name in files:
        if name.endswith(".py"):
            path = os.path.join(folder, name)
            with open(path, encoding="latin-1") as f:  # one character for each octet
                text = f.read()
            text = rewrite(os.path.relpath(path, DST).replace(os.sep, "/"), text)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
for name, text in (("__init__.py", "from ._version import __version__\nversion = __version__\n"),
                   ("__main__.py", MAIN), ("_py3.py", PY3)):
    with open(os.path.join(DST, name), "w", encoding="utf-8") as f:
        f.write(text)
PORT
}

setup() {
    local stamp
    stamp=$(sha256sum < "$0" | cut -d' ' -f1)
    [ "$(cat "$home/stamp" 2>/dev/null)" != "$stamp" ] || return 0
    echo "installing $SUITE for Python $version in $home"
    rm -rf "$home"
    mkdir -p "$home"
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    if [ $py2 = 1 ]; then
        python3 -m venv "$home/boot"
        "$home/boot/bin/pip" install -q virtualenv==20.21.1
        "$home/boot/bin/virtualenv" -q -p "$python" "$venv"
        "$venv/bin/pip" install -q "${PINS2[@]}" 2>&1 | grep -v '^DEPRECATION' || true
        "$venv/bin/pip" install -q --no-deps "$SUITE" 2>&1 | grep -v '^DEPRECATION' || true
        "$venv/bin/python" -W ignore -m autobahntestsuite.wstest --autobahnversion > /dev/null || die "the installation failed"
    else
        "$python" -m venv "$venv" || die "$python has no venv (Debian: the package python3-venv)"
        "$venv/bin/pip" install -q "${BUILD3[@]}"
        "$venv/bin/pip" install -q --no-build-isolation "${PINS3[@]}"
        # kept apart: these sources do not compile on Python 3
        "$venv/bin/pip" install -q --no-build-isolation --no-compile --no-deps --target "$home/published" "$SUITE"
        port "$home/published/autobahntestsuite" "$home/ported/autobahntestsuite"
        PYTHONPATH=$home/ported "$venv/bin/python" -c 'import autobahntestsuite.fuzzing' || die "the installation failed"
    fi
    echo "$stamp" > "$home/stamp"
}

summary() { # REPORT AGENT REQUIRE_ALL STRICT SECONDS
python3 - "$@" <<'SUMMARY'
import ast, collections, json, os, re, sys

report, agent, require_all, strict, seconds = sys.argv[1:6]
with open(os.path.join(report, "wstest.log"), encoding="utf-8", errors="replace") as f:
    cases = re.search(r"^Cases = (\[.*\])$", f.read(), re.M)
if not cases:
    sys.exit(2)
cases = ast.literal_eval(cases.group(1))
try:
    with open(os.path.join(report, "index.json"), encoding="utf-8") as f:
        index = json.load(f).get(agent, {})
except OSError:
    index = {}

behaviors, closes, notes = collections.Counter(), collections.Counter(), []
passed = failed = 0
groups = collections.defaultdict(int)
for case in cases:
    got = index.get(case)
    if got is None:
        behaviors["MISSING"] += 1
        failed += 1
        notes.append(("MISSING", case, "the case was not run to its end"))
        continue
    with open(os.path.join(report, got["reportfile"]), encoding="utf-8") as f:
        detail = json.load(f)
    behavior, close = got["behavior"], got["behaviorClose"]
    behaviors[behavior] += 1
    closes[close] += 1
    groups[int(case.split(".")[0])] += got["duration"]
    text = " ".join(re.sub(r"<[^>]*>", " ", detail["description"]).split())
    text = text if len(text) <= 200 else text[:197] + "..."
    if behavior == "UNIMPLEMENTED":
        failed += require_all == "1"
        notes.append((behavior, case, text))
    elif behavior == "NON-STRICT" and strict == "1":
        failed += 1
        notes.append((behavior, case, "%s [%s]" % (text, detail["result"])))
    elif behavior not in ("OK", "NON-STRICT", "INFORMATIONAL"):
        failed += 1
        notes.append((behavior, case, "%s [%s close: %s, %s]" % (text, detail["result"], close, detail["resultClose"])))
    elif close in ("FAILED", "UNCLEAN"):
        failed += 1
        notes.append(("CLOSE " + close, case, "%s [%s]" % (text, detail["resultClose"])))
    else:
        passed += 1
        if close not in ("OK", "INFORMATIONAL"):
            notes.append(("note: close " + close, case, "%s [%s]" % (text, detail["resultClose"])))

for behavior, case, text in notes:
    print("%s %s: %s" % (behavior, case, text))
times = ", ".join("%d.*: %.1f s" % (g, ms / 1000) for g, ms in sorted(groups.items()))
print("%d cases, %s s%s" % (len(cases), seconds, times and " (%s)" % times))
for behavior in ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED", "MISSING"]:
    print("%14s %d" % (behavior, behaviors.pop(behavior, 0)))
for behavior, n in sorted(behaviors.items()):
    print("%14s %d" % (behavior, n))
print("closing handshakes: " + (", ".join("%s %d" % c for c in sorted(closes.items())) or "none"))
print("report: " + os.path.relpath(os.path.join(report, "index.json")))
print("%d passed, %d failed" % (passed, failed))
sys.exit(1 if failed or not cases else 0)
SUMMARY
}

if command -v flock > /dev/null; then
    exec 9> "$dir/.lock"
    flock 9
    setup
    exec 9>&-
else
    setup
fi
[ $install = 0 ] || exit 0

[ $# -ge 2 ] || usage 2 >&2
url=$1 agent=$2
shift 2
cases=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    cases+=("$1")
    shift
done
[ $# = 0 ] || shift
[ ${#cases[@]} -gt 0 ] || cases=('*')
[[ $url =~ ^ws://[^/:]+:[0-9]+(/[^\"\\]*)?$ ]] || die "not a ws://HOST:PORT address: $url"
[[ $agent =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || die "not an agent name: $agent"
for c in "${cases[@]}" ${excludes[@]+"${excludes[@]}"}; do
    [[ $c =~ ^[0-9.*]+$ ]] || die "not a case: $c"
done

report=$dir/reports/$agent
rm -rf "$report"
mkdir -p "$report"
quoted() { local IFS=, c out=(); for c in "$@"; do out+=("\"$c\""); done; printf '[%s]' "${out[*]-}"; }
if [ $serve = 1 ]; then
    mode=fuzzingserver what="\"url\": \"$url\""
    [ $# -gt 0 ] || die "--serve needs -- COMMAND"
else
    mode=fuzzingclient what="\"servers\": [{\"agent\": \"$agent\", \"url\": \"$url\"}]"
    [ $# = 0 ] || die "a COMMAND is for --serve"
fi
printf '{"outdir": "%s", %s, "cases": %s, "exclude-cases": %s, "exclude-agent-cases": {}}\n' \
    "$report" "$what" "$(quoted "${cases[@]}")" "$(quoted ${excludes[@]+"${excludes[@]}"})" > "$report/spec.json"

if [ $py2 = 1 ]; then
    wstest=("$venv/bin/python" -u -W ignore -m autobahntestsuite.wstest)
else
    wstest=(env PYTHONPATH="$home/ported" "$venv/bin/python" -u -m autobahntestsuite)
fi
log=$report/wstest.log
start=$SECONDS rc=0 started=()
stop() { [ ${#started[@]} = 0 ] || kill "${started[@]}" 2> /dev/null || true; }
trap stop EXIT
trap 'exit 130' INT TERM
# --foreground: a signal reaches what it runs
if [ $serve = 1 ]; then
    timeout --foreground "$limit" "${wstest[@]}" -m $mode -s "$report/spec.json" -u 0 > "$log" 2>&1 &
    server=$!
    started=("$server")
    host_port=${url#ws://} host_port=${host_port%%/*}
    for _ in $(seq 100); do
        sleep 0.1
        kill -0 "$server" 2> /dev/null || break
        grep -q '^Cases = ' "$log" || continue
        ! (exec 3<> "/dev/tcp/${host_port%:*}/${host_port##*:}") 2> /dev/null || break
    done
    sleep 0.3
    kill -0 "$server" 2> /dev/null || { tail -n 20 "$log" >&2; die "the fuzzing server did not start"; }
    timeout --foreground "$limit" "$@" &
    started+=($!)
    wait $! || rc=$?
    [ $rc = 0 ] || echo "the client ended with status $rc" >&2
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
else
    timeout --foreground "$limit" "${wstest[@]}" -m $mode -s "$report/spec.json" > "$log" 2>&1 &
    started=($!)
    wait $! || rc=$?
fi
started=()
sed '/^Running test case/d; /^Cases = /d' "$log" | grep -A12 -E 'Traceback|^Connection to|Unhandled' >&2 || true
if [ $rc = 124 ]; then
    echo "the run was ended after $limit s" >&2
fi
if ! grep -q '^Cases = ' "$log"; then
    tail -n 20 "$log" >&2
    die "the suite did not start"
fi
summary "$report" "$agent" "$require_all" "$strict" "$((SECONDS - start))"
