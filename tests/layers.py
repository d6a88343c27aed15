#!/usr/bin/python3
"""Fails when an include points the wrong way, or a library is included outside the one place that may."""
import pathlib
import re
import sys

# What each room may include besides itself. Order of the agent: main -> cli -> app -> {device, spool, uplink, config} ->
# {signal, codec} -> {wire, mqtt} -> base. wire is below signal and codec: it holds the words they share.
BASE = {"agent/base"}
WIRE = BASE | {"agent/wire"}
PURE = WIRE | {"agent/signal", "agent/codec"}
ROOMS = {
    "agent/base": set(),
    "agent/wire": BASE,
    "agent/mqtt": WIRE,
    "agent/signal": WIRE,
    "agent/codec": WIRE,
    "agent/device": PURE,
    "agent/spool": PURE,
    "agent/uplink": PURE | {"agent/mqtt", "agent/spool"},
    "agent/config": PURE,
    "agent/app": PURE | {"agent/mqtt", "agent/device", "agent/spool", "agent/uplink", "agent/config"},
    "agent/cli": PURE | {"agent/device", "agent/spool", "agent/config", "agent/app"},
    "agent": BASE | {"agent/cli"},
}
READER = WIRE | {"agent/codec"}
ROOMS |= {
    "cloud-bridge/sink": WIRE,
    "cloud-bridge/route": WIRE,
    "cloud-bridge/batch": WIRE | {"cloud-bridge/sink"},
    "cloud-bridge/ingest": WIRE | {"agent/mqtt"},
    "cloud-bridge/reader": READER | {"cloud-bridge/sink"},
    "cloud-bridge/app": READER | {"agent/mqtt", "cloud-bridge/sink", "cloud-bridge/route", "cloud-bridge/batch", "cloud-bridge/ingest"},
    "cloud-bridge/cli": READER | {"cloud-bridge/sink", "cloud-bridge/reader", "cloud-bridge/app"},
    "cloud-bridge": BASE | {"cloud-bridge/cli"},
}
# Foreign headers and the only files that may include them.
LIBRARIES = {
    r"mqtt/|MQTT": r"agent/mqtt/paho_bus\.cpp",
    r"sqlite3": r"agent/spool/sqlite_\w+\.(cpp|h)",
    r"zstd": r"agent/codec/(section|zstd_stream)\.cpp|agent/device/\w+\.cpp",
    r"toml\+\+|toml": r"agent/base/option_toml\.cpp",
    r"CLI/": r"agent/base/(option_cli|command_line)\.cpp|(agent|cloud-bridge)/cli/\w+\.(cpp|h)",
    r"dlfcn": r"agent/device/joulescope_\w+\.cpp|agent/cli/jls_library\.cpp",
    r"agent/device/joulescope_(abi|library|driver)": r"agent/device/joulescope_\w+\.(cpp|h)",
    r"png": r"agent/cli/png_file\.cpp",
    r"curl/": r"cloud-bridge/sink/http_client\.cpp",
    r"openssl/": r"cloud-bridge/sink/sigv4\.cpp",
    r"google/protobuf|agent/wire/\w+\.pb\.h": r"agent/wire/\w+\.(cpp|h)",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def problems_of(file: str, text: str) -> list[str]:
    room = str(pathlib.PurePosixPath(file).parent)
    found = []
    if room not in ROOMS:
        return [f"{file}: {room} is no room of the architecture (tests/layers.py)"]
    for ours, foreign in INCLUDE.findall(text):
        name = ours or foreign
        target = str(pathlib.PurePosixPath(name).parent)
        if ours and "/" not in name:
            found.append(f'{file}: "{name}": write includes from the top of the tree')
        elif ours and target != room and target not in ROOMS[room] and not re.match(r"agent/wire/\w+\.pb\.h", name):
            found.append(f"{file}: {room} must not include {name}")
        for library, allowed in LIBRARIES.items():
            if re.match(library, name) and not re.fullmatch(allowed, file):
                found.append(f"{file}: {name} may be included by {allowed} only")
    return found


# What ships must not know what tests put in its place.
TEST_PARTS = re.compile(r"stand-?in|\bfake|\bmock", re.I)


def test_parts_in(file: str, text: str) -> list[str]:
    return [f"{file}:{number}: what ships knows nothing of tests: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1) if TEST_PARTS.search(line)]


def self_test() -> None:
    assert problems_of("agent/wire/x.cpp", '#include "agent/spool/spool.h"\n'), "a wrong arrow was not found"
    assert problems_of("agent/app/x.cpp", "#include <sqlite3.h>\n"), "a foreign header was not found"
    assert problems_of("cloud-bridge/app/x.cpp", '#include "agent/spool/spool.h"\n'), "the bridge reached into the agent"
    assert problems_of("agent/app/x.cpp", '#include "agent/device/joulescope_driver.h"\n'), "somebody else reached for the driver"
    assert problems_of("agent/device/x.cpp", "#include <dlfcn.h>\n"), "somebody else loads libraries"
    assert test_parts_in("agent/app/x.cpp", "int a;\nif (path.contains(\"standin\")) return;\n"), "a word about the stand-in was not found"
    assert not problems_of("agent/spool/sqlite_spool.cpp", '#include <sqlite3.h>\n#include "agent/wire/types.h"\n')


def main() -> int:
    self_test()
    top = pathlib.Path(__file__).resolve().parent.parent
    files = [path for folder in ("agent", "cloud-bridge") for path in sorted((top / folder).rglob("*")) if path.suffix in (".cpp", ".h")]
    found = [problem for path in files for check in (problems_of, test_parts_in)
             for problem in check(path.relative_to(top).as_posix(), path.read_text())]
    print("\n".join(found) or f"{len(files)} files, no include points the wrong way, none knows the tests")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
