"""Security: who gets an answer, by host, origin, token and method."""

import pytest
from starlette.testclient import TestClient

from ml_agents_results.viewer.security import HEADERS
from ml_agents_results.viewer.store import Store
from tests.viewer.conftest import HOST, TOKEN, client_of

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Host": "localhost:8765", "Origin": "http://localhost:8765"}, 200),
        ({"Host": "evil.example:8765"}, 400),
        ({"Host": "127.0.0.1:9999"}, 400),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        (
            {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
            200,
        ),
        (
            {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "iframe",
            },
            403,
        ),
    ],
)
def test_who_may_read(client: TestClient, headers: dict[str, str], code: int) -> None:
    answer = client.get("/", headers=headers)
    assert answer.status_code == code
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (JSON, 400),
        ({}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({**JSON, "Origin": "http://evil.example"}, 403),
        ({**JSON, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({**JSON, "Host": "evil.example"}, 400),
        ({**JSON, "Authorization": "Bearer wrong"}, 401),
        ({**JSON, "Content-Length": "70000"}, 413),
    ],
)
def test_who_may_write(client: TestClient, headers: dict[str, str], code: int) -> None:
    assert client.post("/grade", content=b"[]", headers=headers).status_code == code


def test_the_link_becomes_a_cookie_and_leaves_the_address(store: Store) -> None:
    with client_of(store, Authorization="") as stranger:
        answer = stranger.get(f"/runs?experiment=exp&token={TOKEN}")
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/runs?experiment=exp"
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert stranger.get(answer.headers["Location"]).status_code == 200
        yesterday = stranger.get("/runs?experiment=exp&token=that-of-yesterday")
        assert yesterday.headers["Location"] == "/runs?experiment=exp"
        assert stranger.get("/?token=wrong", headers={"Cookie": "x=y"}).status_code == 401


def test_the_link_leads_to_no_other_host(store: Store) -> None:
    with client_of(store, Authorization="") as stranger:
        answer = stranger.get(f"http://{HOST}//evil.example/?token={TOKEN}")
        assert answer.headers["Location"] == "/evil.example/"


@pytest.mark.parametrize(
    "body", [b"[]", b"[" * 60_000, b"\xff", b'{"queue": ' + b"9" * 5000 + b"}"]
)
def test_a_body_that_is_no_object_is_refused(client: TestClient, body: bytes) -> None:
    assert client.post("/grade", content=body, headers=JSON).status_code == 400


def test_long_addresses_are_refused(client: TestClient) -> None:
    assert client.get("/?q=" + "a" * 9000).status_code == 414


def test_read_only_has_nothing_to_write_to(store: Store) -> None:
    with client_of(Store(store.database, read_only=True)) as reader:
        assert reader.post("/grade", json={}).status_code == 404
        assert reader.post("/queues", json={}).status_code == 405
        assert "/queues" not in reader.get("/experiment?id=exp").text
        assert "--read-only" in reader.get("/").text


def test_nothing_is_told_about_the_server(client: TestClient) -> None:
    answer = client.get("/", headers={"Host": HOST})
    assert "server" not in answer.headers
    assert TOKEN not in answer.text
