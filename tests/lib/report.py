# SPDX-License-Identifier: Apache-2.0
"""Report: a JSON report, validated whenever one is read, and questions to it.

A program under test marks its wrong lines: `# BAD: KIND`, or `# BAD: KIND 7` when the count is
known from the text. So no test holds a line number.
"""
import json
import os
import re

from . import paths, runner

MARK = re.compile(r"# BAD: ([a-z-]+)(?: (\d+))?\s*$")
_validator = None


def validate(raw):
    """Asserts that a report is as docs/report.schema.json says."""
    global _validator
    if _validator is None:
        try:
            import jsonschema
        except ImportError:
            runner.need_package("python3-jsonschema", False)
        with open(paths.SCHEMA) as file:
            schema = json.load(file)
        cls = jsonschema.validators.validator_for(schema)
        cls.check_schema(schema)
        _validator = cls(schema, format_checker=jsonschema.FormatChecker())
    wrong = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for error in _validator.iter_errors(raw)
    ]
    assert not wrong, "the report is not as the schema says:\n" + "\n".join(wrong[:20])


def marks(path):
    """[(kind, line, count or None)] as the text of a program says."""
    found = []
    with open(path) as file:
        for number, text in enumerate(file, 1):
            mark = MARK.search(text)
            if mark:
                found.append((mark.group(1), number, int(mark.group(2)) if mark.group(2) else None))
    return found


def mark_line(path, kind, containing=""):
    """The one line of a program with this mark."""
    with open(path) as file:
        texts = file.read().splitlines()
    lines = [line for k, line, _ in marks(path) if k == kind and containing in texts[line - 1]]
    assert len(lines) == 1, f"{path} has {len(lines)} marks of {kind}"
    return lines[0]


class Report:
    def __init__(self, raw):
        self.raw = raw
        validate(raw)

    @classmethod
    def load(cls, path):
        with open(path) as file:
            return cls(json.load(file))

    @property
    def findings(self):
        return self.raw["findings"]

    @property
    def processes(self):
        return self.raw["processes"]

    @property
    def loops(self):
        return self.raw["loops"]

    def lost(self):
        """What was not recorded, by reason, without the zeros."""
        return {reason: n for reason, n in self.raw["lost"].items() if n}

    def of(self, kind, path=None, line=None):
        """Findings of a kind, in a file, at a line."""
        return [
            finding for finding in self.findings
            if finding["kind"] == kind and
            (path is None or same_file(finding["culprit"]["file"], path)) and
            (line is None or finding["culprit"]["line"] == line)
        ]

    def one(self, kind, path=None, line=None):
        found = self.of(kind, path, line)
        assert len(found) == 1, (
            f"{len(found)} findings of {kind} at {path}:{line}; the report has\n{self.brief()}"
        )
        return found[0]

    def counts(self, path=None):
        """{(kind, line): count} of what is blamed on a file; None: on any."""
        sums = {}
        for finding in self.findings:
            if path is None or same_file(finding["culprit"]["file"], path):
                key = finding["kind"], finding["culprit"]["line"]
                sums[key] = sums.get(key, 0) + finding["count"]
        return sums

    def brief(self):
        lines = [
            f"  {f['kind']} {(f['culprit'] or {}).get('file')}:{(f['culprit'] or {}).get('line')} "
            f"{(f['culprit'] or {}).get('function')} count={f['count']} "
            f"total={f['total_ns'] / 1e6:.1f}ms max={f['max_ns'] / 1e6:.1f}ms "
            f"call={(f.get('call') or {}).get('name')}"
            for f in self.findings
        ]
        lines.append(f"  processes: {[(p['pid'], p['cmdline']) for p in self.processes]}")
        lines.append(f"  loops: {[(l['pid'], l['framework'], l['turns']) for l in self.loops]}")
        lines.append(f"  lost: {self.lost()}")
        return "\n".join(lines)

    def assert_as_measured(self, said):
        """What measures.py said: a line for each kind, what it took at least and at most, in ns.
        Between the two lies what a busy machine took from it, in the callback or beside it."""
        for kind, line in zip(("blocking-call", "slow-callback"), said.splitlines(), strict=True):
            ours_ns, (least_ns, most_ns) = self.one(kind)["total_ns"], map(int, line.split())
            assert least_ns * 0.99 <= ours_ns <= most_ns * 1.01, (kind, ours_ns, least_ns, most_ns)

    def assert_counts(self, path):
        """Exactly what the marks of a program say, all of it blamed on that program."""
        expected = {(kind, line): count for kind, line, count in marks(path)}
        found = self.counts(path)
        for key, count in expected.items():
            if count is None and key in found:
                expected[key] = found[key]
        elsewhere = [f for f in self.findings if not same_file(f["culprit"]["file"], path)]
        assert found == expected and not elsewhere, (
            f"expected {expected}\nfound {found}; the report has\n{self.brief()}"
        )

    def assert_silent(self):
        """No finding, and not for want of looking: a loop was seen, and nothing was lost."""
        assert not self.findings, f"expected no finding; the report has\n{self.brief()}"
        assert self.loops, f"no loop was seen:\n{self.brief()}"
        assert sum(loop["turns"] for loop in self.loops) > 0, f"no turn was seen:\n{self.brief()}"
        assert not self.lost(), f"something was lost: {self.lost()}"


def same_file(named, path):
    """Code objects carry the name they were compiled under, which may be relative."""
    if named is None:
        return False
    if os.path.isabs(named):
        return os.path.realpath(named) == os.path.realpath(path)
    return os.path.realpath(path).endswith("/" + named.lstrip("./"))
