"""Pages: all open, say what the command line says, and show hostile texts as texts."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlencode

import openpyxl
import pytest
from starlette.testclient import TestClient

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord, Variant
from ml_agents_results.reports.wording import percent
from ml_agents_results.viewer.security import HEADERS
from ml_agents_results.viewer.variant_links import variant_slug
from tests.commands import document
from tests.viewer.conftest import HOSTILE

ODD = "odd</script><i>&?#"
PAGES = [
    "/",
    "/?q=study&status=running",
    "/?q=nothing+fits",
    *(f"/experiment?id=exp&part={part}" for part in ("costs", "parsing", "failures", "about")),
    "/experiment?id=exp",
    "/experiment?id=exp&metric=length",
    "/experiment?id=empty",
    "/runs?experiment=exp",
    "/runs?experiment=exp&outcome=failed&outcome=wrong&task=sums&sort=-time&columns=length",
    "/runs?experiment=exp&q=nowhere",
    "/runs?experiment=exp&metric=length&min=6&time_min=5&cost_max=1",
    "/runs?experiment=exp&meta.language=de",
    "/runs?experiment=empty",
    "/samples?experiment=exp",
    "/samples?experiment=exp&pattern=differ&task=sums&size=50",
    "/samples?experiment=exp&metric=length&pattern=regressed",
    "/samples?experiment=empty",
    "/sample?experiment=exp&task=sums&index=3",
    "/sample?experiment=exp&task=sums&index=3&diff=expected&from=experiment%3Dexp",
    "/compare?experiment=exp",
    "/compare?experiment=exp&experiment=other&metric=length",
]


class Page(HTMLParser):
    """The elements of a page that could do something."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data


def opened(client: TestClient, url: str) -> Page:
    answer = client.get(url)
    assert answer.status_code == 200, (url, answer.text[:600])
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    page = Page(answer.text)
    assert page.tags.count("h1") == 1
    assert page.handlers == []
    for address in page.addresses:
        assert address == "data:," or address.startswith(("/", "#", "?")), address
    return page


@pytest.mark.parametrize("url", PAGES)
def test_every_page_opens_and_asks_no_other_site(client: TestClient, url: str) -> None:
    page = opened(client, url)
    assert {"iframe", "object", "embed", "base"}.isdisjoint(page.tags)


@pytest.mark.parametrize(
    "url",
    [
        f"/experiment?{urlencode({'id': ODD})}",
        f"/experiment?{urlencode({'id': ODD, 'part': 'about'})}",
        f"/experiment?{urlencode({'id': ODD, 'part': 'failures'})}",
        f"/runs?{urlencode({'experiment': ODD, 'columns': 'm</td>'})}",
        f"/samples?{urlencode({'experiment': ODD})}",
        f"/compare?{urlencode({'experiment': ODD})}",
        *(
            f"/sample?diff=baseline&{urlencode({'experiment': ODD, 'task': 't</title>'})}&index={i}"
            for i in range(13)
        ),
        "/",
        "/?q=%3Cscript%3E%22",
        "/runs?experiment=exp&q=%3Cscript%3E%22%27%25_%5C",
    ],
)
def test_hostile_texts_are_texts(client: TestClient, url: str) -> None:
    page = opened(client, url)
    assert {"img", "i"}.isdisjoint(page.tags)
    assert "{{ 7 * 7 }}" in page.text or "49" not in page.text.split()
    assert not re.search("[\x00-\x08\x1b\u202e]", page.text)


def test_figures_are_those_of_the_command_line(client: TestClient, study: Path) -> None:
    ours = client.get("/experiment.json?id=exp").json()
    theirs = document(
        "analyze", "--experiment-id", "exp", "--report-type", "accuracy", "--db-path", study
    )
    assert ours["variants"] == theirs["variants"]
    assert ours["tasks"] == theirs["tasks"]
    shown = client.get("/experiment?id=exp").text
    for row in theirs["variants"]:
        assert f">{percent(row['accuracy'])}<" in shown
    compared = document("compare", "--experiment-ids", "exp", "--by", "task", "--db-path", study)
    assert client.get("/compare.json?experiment=exp").json() == compared
    assert compared["comparisons"][0]["sentence"] in unescape(shown)


@pytest.mark.parametrize("cluster", ["metadata:document", "none"])
def test_errors_are_clustered_as_on_the_command_line(
    client: TestClient, study: Path, cluster: str
) -> None:
    asked = urlencode({"cluster": cluster})
    named = ("--experiment-id", "exp", "--cluster", cluster, "--db-path", study)
    compared = document("compare", *named, "--by", "task")
    assert client.get(f"/compare.json?experiment=exp&{asked}").json() == compared
    accuracy = document("analyze", *named, "--report-type", "accuracy")
    ours = client.get(f"/experiment.json?id=exp&{asked}").json()
    assert ours["variants"] == accuracy["variants"]
    assert compared != client.get("/compare.json?experiment=exp").json()
    for url in (f"/experiment?id=exp&{asked}", f"/compare?experiment=exp&{asked}"):
        shown = client.get(url).text
        assert compared["comparisons"][0]["sentence"] in unescape(shown)
        assert f"<option selected>{cluster}</option>" in shown
        assert f"--cluster {cluster}" in shown
        methods = re.findall(r'<p class="note">(.*?)</p>', shown.split("are computed")[1])
        assert len(methods) == len(set(methods)) > 1
    kept = f"/experiment?id=exp&amp;part=costs&amp;{asked}"
    assert kept in client.get(f"/experiment?id=exp&{asked}").text
    costs = client.get(unescape(kept)).text
    assert f"<option selected>{cluster}</option>" in costs
    assert costs != client.get("/experiment?id=exp&part=costs").text


def test_the_list_has_the_intervals_of_the_summary(client: TestClient, study: Path) -> None:
    with ResultsProcessor(str(study)) as processor:
        processor.save_experiment("one", {})
        processor.save_runs(RunRecord("one", "None", i, is_correct=i % 3 > 0) for i in range(30))
    [row] = client.get("/experiment.json?id=one").json()["variants"]
    interval = ", ".join(percent(row[name]).rstrip("%") for name in ("ci_low", "ci_high"))
    shown = f'66.7% <span class="note">[{interval}]</span>'
    # Figures may be a second old while something records.
    deadline = monotonic() + 5
    while shown not in (text := client.get("/?q=one").text) and monotonic() < deadline:
        sleep(0.05)
    assert shown in text


def test_members_of_the_metadata_are_columns(client: TestClient) -> None:
    page = opened(client, f"/runs?{urlencode({'experiment': ODD, 'columns': 'metadata:z'})}")
    # Once in its name.
    assert page.text.count("javascript:alert(1)") == 1 + 2
    assert {"img", "i"}.isdisjoint(page.tags)
    assert client.get("/runs?experiment=exp&columns=metadata:%22").status_code == 400


def test_counts_lead_to_the_runs_that_they_count(client: TestClient) -> None:
    shown = client.get("/experiment?id=exp").text
    cells = re.findall(r'<a href="(/runs[^"]+)">([\d,]+)</a>', shown)
    assert len(cells) > 8
    for url, count in cells[:16]:
        listed = client.get(unescape(url) + "&size=500").text
        assert listed.count("<tr data-run") == int(count.replace(",", "")), url


def test_what_makes_no_sense_is_answered_with_a_sentence(client: TestClient) -> None:
    for url, code in {
        "/experiment?id=nothing": 404,
        "/experiment?id=exp&part=nothing": 400,
        "/experiment?id=exp&metric=nothing": 404,
        "/experiment?id=exp&cluster=nothing": 400,
        "/experiment?id=exp&part=about&cluster=metadata:": 400,
        "/experiment?id=exp&surprise=1": 400,
        "/compare?experiment=exp&cluster=nothing": 400,
        "/compare?experiment=exp&cluster=metadata:nowhere": 400,
        "/compare?experiment=exp&surprise=1": 400,
        "/runs?experiment=exp&v=ChainOfThought-00000000": 400,
        "/runs?experiment=exp&after=broken": 400,
        "/runs?experiment=exp&surprise=1": 400,
        "/runs?experiment=exp&meta_key=x": 400,
        "/runs?experiment=exp&meta.a%27b=x": 400,
        "/sample?experiment=exp&sample=nothing": 404,
        "/runs?experiment=exp&min=x": 400,
        "/runs?experiment=exp&sort=nothing": 400,
        "/runs?experiment=exp&outcome=nothing": 400,
        "/samples?experiment=exp&pattern=nothing": 400,
        "/samples?experiment=exp&metric=nothing": 404,
        "/samples?experiment=exp&after=WyJhIiwgMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0XQ": 400,
        "/samples?experiment=exp&outcome=wrong": 400,
        "/export/runs.csv?experiment=exp&metric=nothing": 404,
        "/sample?experiment=exp&task=sums&index=999": 404,
        "/sample?experiment=exp&task=sums&index=x": 400,
        "/run?id=nothing": 404,
        "/compare": 400,
        "/compare?experiment=empty": 400,
        "/compare?experiment=nothing": 404,
        "/static/1/..%2f..%2fsecurity.py": 404,
        "/nothing": 404,
        "/?page=7": 400,
    }.items():
        answer = client.get(url)
        assert answer.status_code == code, (url, answer.status_code)
        assert answer.headers["Content-Security-Policy"]
        assert "<h1>" in answer.text
        assert "Traceback" not in answer.text


def test_the_last_page_is_the_end_of_the_list(client: TestClient) -> None:
    ids = [run["id"] for run in client.get("/export/runs.json?experiment=exp&sort=time").json()]
    first = client.get("/runs?experiment=exp&sort=time&size=50").text
    url = unescape(re.search(r'href="([^"]+)">Last', first)[1])  # type: ignore[index]
    last = client.get(url).text
    assert re.findall(r'<tr data-run="([^"]+)"', last) == ids[-50:]
    assert ">Next<" not in last
    assert ">Previous<" in last


def test_previous_and_next_walk_the_list_that_the_reader_came_from(client: TestClient) -> None:
    listed = client.get("/runs?experiment=exp&outcome=wrong&sort=-time").text
    rows = re.findall(r'<tr data-run="([^"]+)"><th scope="row"><a href="([^"]+)"', listed)
    url = unescape(rows[0][1])
    for run_id, _ in rows[:4]:
        sample = client.get(url).text
        assert f"run={run_id}" in url
        url = unescape(re.search(r'href="([^"]+)" rel="next"', sample)[1])  # type: ignore[index]


def test_previous_and_next_walk_the_grid_that_the_reader_came_from(client: TestClient) -> None:
    listed = client.get("/samples?experiment=exp&pattern=differ").text
    names = re.findall(r'<th scope="row" class="text"><a href="([^"]+)">([^<]+)</a>', listed)
    assert len(names) > 3
    url = unescape(names[0][0])
    for _, name in names[:4]:
        sample = client.get(url).text
        assert f"<h1>{name}</h1>" in sample
        url = unescape(re.search(r'href="([^"]+)" rel="next"', sample)[1])  # type: ignore[index]


def test_experiments_lie_side_by_side(client: TestClient) -> None:
    page = client.get("/samples?experiment=exp&experiment=other&metric=length").text
    assert page.count('scope="col" class="text"><a href="/runs?experiment=other') == 2
    assert "different questions" not in page
    link = unescape(re.search(r'href="(/sample\?[^"]+)"', page)[1])  # type: ignore[index]
    sample = client.get(link).text
    assert sample.count('<article class="side') == 4
    following = unescape(re.search(r'href="([^"]+)" rel="next"', sample)[1])  # type: ignore[index]
    assert following.count("experiment%3D") == following.count("&experiment=") + 1 == 2
    assert client.get("/samples?experiment=exp&experiment=nothing").status_code == 404


def test_a_sample_is_gone_to_by_name_and_shows_where_its_answer_stands(client: TestClient) -> None:
    for name, link in {"sums:3": "task=sums&index=3", "4": "task=sums&index=4"}.items():
        answer = client.get(f"/sample?experiment=exp&sample={name}")
        assert answer.headers["location"].endswith(link)
    odd = client.get(f"/sample?{urlencode({'experiment': ODD, 'sample': f's3{HOSTILE[3]}'})}")
    assert odd.headers["location"].endswith("&index=3")
    page = client.get("/sample?experiment=exp&task=sums&index=3").text
    assert re.search(r'The answer is <mark title="the parsed answer">\d+</mark>', page)


def test_downloads_are_the_runs_of_the_list(client: TestClient) -> None:
    query = "experiment=exp&outcome=failed"
    rows = client.get(f"/runs?{query}").text.count("<tr data-run")
    assert len(client.get(f"/export/runs.json?{query}").json()) == rows > 0
    assert len(client.get(f"/export/runs.csv?{query}").text.splitlines()) == rows + 1
    query = "experiment=exp&task=sums&v=" + variant_slug(Variant("exp", "None", "generated", "m"))
    slowest = [run["id"] for run in client.get(f"/export/runs.json?{query}&sort=-time").json()]
    lines = client.get(f"/export/runs.jsonl?{query}&sort=-time").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == slowest
    book = BytesIO(client.get(f"/export/runs.xlsx?{query}&sort=-time").content)
    sheet = openpyxl.load_workbook(book, read_only=True)["Runs"]
    head, *cells = sheet.iter_rows(values_only=True)
    assert [row[head.index("id")] for row in cells] == slowest
    assert "scores.length" in head
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    file = BytesIO(client.get(f"/export/runs.parquet?{query}&sort=-time").content)
    assert parquet.read_table(file)["id"].to_pylist() == slowest


def test_a_long_answer_is_folded_and_can_be_saved(client: TestClient, study: Path) -> None:
    with ResultsProcessor(str(study)) as processor:
        processor.save_experiment("long", {})
        processor.save_run(RunRecord("long", "None", 0, raw_output="word " * 200_000, id="big"))
    page = client.get("/sample?experiment=long&task=&index=0&diff=expected").text
    assert len(page) < 150_000
    assert "of 1,000,000 characters" in page
    assert len(client.get("/text?id=big&field=raw_output").content) == 1_000_000
