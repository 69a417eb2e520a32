"""JUnit XML: one test case per rule of a gate, as CI systems read it."""

import re
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ml_agents_results.reports.gate_report import row_rule, sentence, why
from ml_agents_results.services.gate import GateReport, GateRow

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: GateReport) -> bytes:
    """A document that Jenkins', Ant's and GitLab's readers take.

    A rule that could not be judged is an `error`, one that is undecided is `skipped` unless that
    fails the gate.
    """
    cases = [_case(report, row, index) for index, row in enumerate(report.rows)]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    texts = {name: str(count) for name, count in counts.items()}
    root = Element("testsuites")
    suite = SubElement(
        root, "testsuite", {"name": "ml-agents gate", **texts, "time": "0", "timestamp": moment}
    )
    properties = SubElement(suite, "properties")
    for name, value in (("verdict", report.verdict), ("sentence", sentence(report))):
        SubElement(properties, "property", {"name": name, "value": _text(value)})
    suite.extend(cases)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _case(report: GateReport, row: GateRow, index: int) -> Element:
    # Equal names would be one test to some readers.
    name = f"{index + 1} {row_rule(row)}: {row.candidate} against {row.baseline}"
    case = Element("testcase", {"classname": "gate", "name": _text(name), "time": "0"})
    message = {"message": _text(why(row, report.alpha)), "type": row.verdict}
    if row.reason is not None:
        SubElement(case, "error", message)
    elif row.fails:
        SubElement(case, "failure", message)
    elif row.verdict == "undecided":
        SubElement(case, "skipped", {"message": message["message"]})
    return case


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
