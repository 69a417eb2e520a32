"""The ways in which `tests.endpoint` can fail."""

from enum import Enum


class Fault(Enum):
    """Ways to fail; the value is the HTTP status where there is one."""

    BAD_REQUEST = 400
    WRONG_KEY = 401
    NO_CREDIT = 402
    FORBIDDEN = 403
    NO_SUCH_MODEL = 404
    RATE_LIMITED = 429
    SERVER_ERROR = 500
    BAD_GATEWAY_PAGE = 502
    OVERLOADED = 503
    NO_SCHEMAS = "a 400 for every request with a response_format"
    ERROR_IN_BODY = "an error object under status 200"
    HTML = "a web page under status 200"
    BROKEN_JSON = "half a document under status 200"
    EMPTY_TEXT = "a completion without text"
    NO_CHOICES = "a completion without choices"
    LARGE = "a completion of `size` characters"
    ENDLESS = "a body that never ends"
    ENDLESS_ERROR = "the same under status 400"
    CUT = "the connection closes in the middle of the body"
    RESET = "the connection closes before any answer"
    SLOW = "the answer comes after `seconds`"
    TRICKLE = "the body comes byte by byte, for `seconds`"
    TRUNCATED = "a completion that stopped at the token limit"


MESSAGES = {
    Fault.BAD_REQUEST: "This model's maximum context length is 8192 tokens.",
    Fault.WRONG_KEY: "Incorrect API key provided.",
    Fault.NO_CREDIT: "Insufficient credits.",
    Fault.FORBIDDEN: "This key may not use this model.",
    Fault.NO_SUCH_MODEL: "The model does not exist.",
    Fault.RATE_LIMITED: "Rate limit reached.",
    Fault.SERVER_ERROR: "The server had an error.",
    Fault.OVERLOADED: "Overloaded.",
    Fault.NO_SCHEMAS: "Unsupported parameter: response_format.",
}

BODIES: dict[Fault, tuple[int, bytes, str]] = {
    Fault.HTML: (200, b"<html><body>Please log in.</body></html>", "text/html"),
    Fault.BAD_GATEWAY_PAGE: (502, b"<html><h1>502 Bad Gateway</h1></html>", "text/html"),
    Fault.BROKEN_JSON: (200, b'{"id": "chatcmpl-1", "choices": [{"index"', "application/json"),
    Fault.NO_CHOICES: (200, b'{"id": "x", "choices": []}', "application/json"),
    Fault.ERROR_IN_BODY: (
        200,
        b'{"error": {"code": 502, "message": "The upstream model is down."}}',
        "application/json",
    ),
}
"""Status, body and content type of the faults that are no more than that."""
