"""docs/openapi.json, and what an answer must be by it."""

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator

SOURCE = Path(__file__).resolve().parents[2]
TEXT = (SOURCE / "docs/openapi.json").read_text(encoding="utf-8")
DOCUMENT = json.loads(TEXT)
METHODS = ("get", "post", "delete")
PROBLEM_TYPE = "application/problem+json"


def looked_up(reference):
    part = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        part = part[name.replace("~1", "/").replace("~0", "~")]
    return part


def inlined(part):
    """A copy with what references lead to in their places. None leads to itself."""
    if isinstance(part, list):
        return [inlined(element) for element in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return inlined(looked_up(part["$ref"]))
    return {name: inlined(value) for name, value in part.items()}


def closed(schema):
    """A copy in which objects have no members but those that it names: callers must put up with new
    ones, but none may come without the document."""
    if isinstance(schema, list):
        return [closed(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        found["additionalProperties"] = False
    return found


def operations():
    """[(path, method, operation)], without references; with the parameters of the path."""
    found = []
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                operation = inlined(item[method])
                operation["parameters"] = (inlined(item.get("parameters", []))
                                           + operation.get("parameters", []))
                found.append((path, method, operation))
    return found


class Response:
    """One answer of an operation: its headers and, by content type, validators of its body."""

    def __init__(self, response):
        self.headers = {name.lower(): (header.get("required", False), header["schema"]["type"],
                                       Draft202012Validator(header["schema"]))
                        for name, header in response.get("headers", {}).items()}
        self.bodies = {name: Draft202012Validator(closed(content["schema"]))
                       for name, content in response["content"].items()}

    def wrong_headers(self, headers):
        for name, (required, type_, validator) in self.headers.items():
            value = headers.get(name)
            if value is None:
                if required:
                    yield f"no header {name}"
                continue
            if not validator.is_valid(int(value) if type_ == "integer" else value):
                yield f"header {name}: {value}"

    def wrong(self, headers, body):
        """What is not as documented, a text each."""
        yield from self.wrong_headers(headers)
        type_ = headers.get("content-type", "").partition(";")[0]
        validator = self.bodies.get(type_)
        if validator is None:
            yield f"content type {type_}"
        elif body is not None:
            value = json.loads(body) if type_.endswith("json") else body.decode()
            for error in validator.iter_errors(value):
                yield f"{list(error.absolute_path)}: {error.message}"


class Contract:
    """All answers of all operations."""

    def __init__(self):
        self.answers = {}
        for path, method, operation in operations():
            self.answers[path, method] = {int(status): Response(response)
                                          for status, response in operation["responses"].items()}
        self.paths = {path for path, _ in self.answers}
        self.patterns = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path)
                         for path in self.paths if "{" in path]

    def path_of(self, target):
        """The path in the document that a request goes to; None: to none of them."""
        path = target.partition("?")[0]
        if path in self.paths:
            return path
        return next((known for pattern, known in self.patterns if pattern.fullmatch(path)), None)

    def wrong(self, method, target, status, headers, body):
        """What about an answer is not as documented, a text each. headers: names in lower case."""
        asked = "get" if method == "HEAD" else method.lower()
        answers = self.answers.get((self.path_of(target), asked))
        if answers is None:
            return []  # there is no such operation
        if status not in answers:
            return [f"status {status}"]
        return list(answers[status].wrong(headers, None if method == "HEAD" else body))
