#!/usr/bin/env python3
"""Removes the rules of `rules.py` and `outside.py` one at a time and asks whether the tests notice.

    tests/mutate/mutate.py [--histories N] [--table] [--engine | --outside] [RULE…]

The program is copied to `target/mutants`, and built there once with all rules made switchable by an environment
variable. Without a rule of the engine, its tests run and, if they notice nothing, N random histories; without one of `outside.py`,
the tests that are named with it. Ends with 1 if a rule can be removed unnoticed. `--table` prints the tables of
`docs/reliability.md`.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from outside import OUTSIDE
from rules import RULES

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "target" / "mutants" / "tree"
SWITCH = """

/// Whether this rule is left out.
#[doc(hidden)]
#[must_use]
pub fn left_out(rule: &str) -> bool {
    static RULE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    RULE.get_or_init(|| std::env::var("LEFT_OUT").ok()).as_deref() == Some(rule)
}
"""


def copy_tree():
    """The sources as they are, with every rule switchable; a file that is the same keeps its time."""
    texts = {}
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, text=True, capture_output=True)
    for name in names.stdout.splitlines():
        if (ROOT / name).is_file():
            texts[name] = (ROOT / name).read_bytes()
    for name, _, file, text, without, *_ in RULES + OUTSIDE:
        path = f"src/{file}"
        source = texts[path].decode()
        if source.count(text) != 1:
            sys.exit(f"rule {name}: its text is {source.count(text)} times in {path}; write the rule anew")
        switch = f'crate::left_out("{name}")'
        texts[path] = source.replace(text, re.sub(r"\bOFF\b", switch, without)).encode()
    # A rule of sync is asked in constant functions too.
    texts["src/sync/view.rs"] = texts["src/sync/view.rs"].replace(b"pub(super) const fn writable", b"pub(super) fn writable")
    texts["src/lib.rs"] += SWITCH.encode()
    for name, text in texts.items():
        path = TREE / name
        if not path.exists() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)


def build(names):
    """These test programs, by name; `reconciled` holds the tests of the library itself."""
    chosen = [word for name in sorted(names) for word in (["--lib"] if name == "reconciled" else ["--test", name])]
    command = ["cargo", "test", "--no-run", "--message-format=json-render-diagnostics", *chosen]
    target = {"CARGO_TARGET_DIR": str(ROOT / "target" / "mutants" / "target")}
    done = subprocess.run(command, cwd=TREE, env=os.environ | target, text=True, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable") and m["profile"]["test"]}


def there(program, test):
    """Whether a program has tests of this name."""
    listed = subprocess.run([program, "--list", test], cwd=TREE, text=True, capture_output=True, check=True)
    return ": test" in listed.stdout


TOOK = {}


def failures(program, rule, arguments, extra):
    """The tests of a program that fail without this rule; `hangs`, if it takes five times as long as with all of them."""
    environment = os.environ | {"RUST_BACKTRACE": "0"} | extra | ({"LEFT_OUT": rule} if rule else {})
    run, began = (program, *arguments), time.monotonic()
    named = (*run, *sorted(extra.items()))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        try:
            done = subprocess.run(
                run, cwd=TREE, env=environment, stdout=said, stderr=subprocess.STDOUT, timeout=TOOK.get(named, 180) * 5, check=False
            )
            ended = ["crashes"] if done.returncode else []
        except subprocess.TimeoutExpired:
            ended = ["hangs"]
        said.seek(0)
        failed = re.findall(r"^test (\S+) \.\.\. FAILED$", said.read(), re.M)
    if not rule:
        TOOK[named] = max(time.monotonic() - began, 12)
    return failed or ended


SLOW = ["a_crash_at_any_store_operation_ends_in_the_same_state", "of_unknown_outcome", "ten_thousand_links"]


def caught_by(programs, rule, histories):
    """Which tests notice, the quick ones first."""
    stages = [
        (programs["engine"], [word for name in SLOW for word in ("--skip", name)], {}),
        (programs["engine"], SLOW, {}),
        (programs["history"], ["memory::what_once"], {}),
        (programs["history"], ["memory::whatever"], {"HISTORIES": str(histories)}),
    ]
    for program, arguments, environment in stages:
        if failed := failures(program, rule, arguments, environment):
            return failed
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--table", action="store_true")
    groups = parser.add_mutually_exclusive_group()
    groups.add_argument("--engine", action="store_true", help="only the rules of the engine")
    groups.add_argument("--outside", action="store_true", help="only those where others speak to us")
    parser.add_argument("rules", nargs="*")
    chosen = parser.parse_args()
    rules = [] if chosen.outside else [(*rule, None) for rule in RULES]
    rules += [] if chosen.engine else OUTSIDE
    rules = [rule for rule in rules if not chosen.rules or rule[0] in chosen.rules]
    if unknown := set(chosen.rules) - {rule[0] for rule in rules}:
        sys.exit(f"there is no rule {', '.join(sorted(unknown))}")
    copy_tree()
    named = {rule[-1] for rule in rules if rule[-1]}
    programs = build({tests[0] for tests in named} | ({"engine", "history"} if None in [rule[-1] for rule in rules] else set()))
    for program, *tests in sorted(named):
        if missing := [test for test in tests if not there(programs[program], test)]:
            sys.exit(f"{program} has no test {', '.join(missing)}")
    failed = [test for tests in sorted(named) for test in failures(programs[tests[0]], None, tests[1:], {})]
    if "engine" in programs:
        failed += caught_by(programs, None, chosen.histories)
    if failed:
        sys.exit(f"with all rules in place these tests fail: {failed}")
    unnoticed = []
    for name, purpose, *_, tests in rules:
        failed = failures(programs[tests[0]], name, tests[1:], {}) if tests else caught_by(programs, name, chosen.histories)
        if not failed:
            unnoticed.append(name)
        tests = f"`{failed[0]}`" + (f" and {len(failed) - 1} more" if failed[1:] else "") if failed else "**nothing**"
        print(f"| {purpose} | {tests} |" if chosen.table else f"{name}: {tests}", flush=True)
    if unnoticed:
        sys.exit(f"unnoticed: {', '.join(unnoticed)}")


if __name__ == "__main__":
    main()
