"""Runs a k6 script's default function without k6: its modules' names lead to real gRPC calls.

QuickJS runs the JavaScript; `Client.invoke` is a call of grpc's own client over mutual TLS, with
messages as protobuf's JSON, as k6 has them (names in camelCase, nothing left out). What k6 itself
does around it is not here: starting iterations by the clock, thresholds, the summary.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import quickjs
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor

_IMPORT = re.compile(r"^import (.+?) from '(k6[^']*)';$", re.MULTILINE)
# k6's modules in terms of the few functions that Python has given.
_MODULES = """
const STATUS = %(statuses)s;
const metric = (name) => ({ add: (value) => __add(name, value) });
const invoke = (...values) => JSON.parse(__invoke(...values.map((v) => JSON.stringify(v))));
globalThis.__modules = {
  k6: {
    check: (value, checks) => Object.entries(checks).map(([name, holds]) => {
      const held = Boolean(holds(value));
      __check(name, held);
      return held;
    }).every(Boolean),
    sleep: (seconds) => __sleep(seconds),
  },
  'k6/data': { SharedArray: function (name, make) { return make(); } },
  'k6/execution': { default: {
    scenario: { get iterationInTest() { return __iteration(); } },
    test: { abort: (why) => { throw new Error(why); } },
  } },
  'k6/metrics': {
    Counter: function (name) { return metric(name); },
    Trend: function (name) { return metric(name); },
  },
  'k6/net/grpc': { default: { ...STATUS, Client: function () { return {
    load: (paths, ...files) => __load(JSON.stringify(paths), JSON.stringify(files)),
    connect: (address, params) => {
      if (!__connect(address, JSON.stringify(params))) throw new Error('nobody is there');
    },
    invoke,
  }; } } },
};
globalThis.console = { error: () => {} };
globalThis.open = (path) => __open(path);
"""


class K6Engine:
    """One virtual user. Of one thread: what makes it also runs it."""

    def __init__(
        self,
        script: Path,
        environment: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Run the script's init code; relative paths are the script's, as in k6.

        `sleep` is told for how many seconds the script wants to sleep.
        """
        self.script = script
        self.environment = environment
        self._slept = sleep
        self.checks: Counter[tuple[str, bool]] = Counter()
        self.metrics: Counter[str] = Counter()
        self.sleeps: list[float] = []
        # Of each call: the method, its request and its metadata.
        self.calls: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.loaded: list[str] = []
        self._at = 0
        self._failure: Exception | None = None
        self._channel: grpc.Channel | None = None
        self._context = quickjs.Context()
        for name in ("add", "check", "sleep", "iteration", "load", "connect", "invoke", "open"):
            self._context.add_callable(f"__{name}", self._reporting(getattr(self, f"_{name}")))
        statuses = {_constant(code): code.value[0] for code in grpc.StatusCode}
        self._context.eval(_MODULES % {"statuses": json.dumps(statuses)})
        self._context.set("__ENV", self._context.parse_json(json.dumps(dict(environment))))
        self._context.eval(_as_plain_script(script.read_text(encoding="utf-8")))

    @property
    def options(self) -> Any:
        """What the script exports for k6."""
        return json.loads(self._context.eval("JSON.stringify(__options)"))

    def iterate(self, iteration: int) -> None:
        """Run the default function, as iteration `iteration` of the test."""
        self._at = iteration
        try:
            self._context.eval("__main()")
        except quickjs.JSException:
            if self._failure is not None:
                raise self._failure from None
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()

    def _reporting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same; JavaScript would only say that something in Python has failed."""

        def call(*values: Any) -> Any:
            try:
                return function(*values)
            except Exception as error:
                self._failure = error
                raise

        return call

    def _add(self, name: str, value: float) -> None:
        self.metrics[name] += 1 if name == "journey" else int(value)

    def _check(self, name: str, held: bool) -> None:
        self.checks[name, held] += 1

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._slept(seconds)

    def _iteration(self) -> int:
        return self._at

    def _open(self, path: str) -> str:
        return (self.script.parent / path).read_text(encoding="utf-8")

    def _load(self, paths: str, files: str) -> None:
        (root,) = [self.script.parent / path for path in json.loads(paths)]
        for name in json.loads(files):
            assert (root / name).is_file(), name
            self.loaded.append(name)

    def _connect(self, address: str, params: str) -> bool:
        if not address:
            return False
        tls = json.loads(params)["tls"]
        credentials = grpc.ssl_channel_credentials(
            "".join(tls["cacerts"]).encode(), tls["key"].encode(), tls["cert"].encode()
        )
        self._channel = grpc.secure_channel(address, credentials)
        return True

    def _invoke(self, name: str, request: str, params: str) -> str:
        method = self._method(json.loads(name))
        given = json.loads(params)
        assert re.fullmatch(r"\d+ms", given["timeout"])
        self.calls.append((method.name, json.loads(request), given["metadata"]))
        assert self._channel is not None
        call = self._channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        # Unknown names are an error, as for k6.
        message = json_format.Parse(request, message_factory.GetMessageClass(method.input_type)())
        metadata = tuple(given["metadata"].items())
        try:
            answer, done = call.with_call(
                message, timeout=int(given["timeout"][:-2]) / 1000, metadata=metadata
            )
        except grpc.RpcError as error:
            return json.dumps(_response(error, None))
        return json.dumps(_response(done, answer))

    def _method(self, name: str) -> MethodDescriptor:
        method = descriptor_pool.Default().FindMethodByName(name.replace("/", "."))
        assert method.containing_service.file.name in self.loaded, f"{name} is in no loaded file"
        return method


def _response(call: Any, answer: Any) -> dict[str, Any]:
    """As k6 shows it: trailers are lists; the message of what failed has only defaults."""
    trailers: dict[str, list[str]] = {}
    for key, value in call.trailing_metadata() or ():
        if isinstance(value, str):
            trailers.setdefault(key, []).append(value)
    message = (
        json_format.MessageToDict(answer, always_print_fields_with_no_presence=True)
        if (answer is not None)
        else {}
    )
    return {"status": call.code().value[0], "message": message, "trailers": trailers, "headers": {}}


def _constant(code: grpc.StatusCode) -> str:
    """`StatusOK`, `StatusResourceExhausted`: k6's name of a code."""
    special = {"OK": "OK", "CANCELLED": "Canceled"}
    name = special.get(code.name) or "".join(part.capitalize() for part in code.name.split("_"))
    return f"Status{name}"


def _as_plain_script(source: str) -> str:
    """The module without imports and exports, which the engine's context has no loader for."""

    def bind(found: re.Match[str]) -> str:
        names, module = found[1], found[2]
        if names.startswith("{"):
            return f"const {names} = __modules['{module}'];"
        return f"const {names} = __modules['{module}'].default;"

    plain = _IMPORT.sub(bind, source)
    plain = plain.replace("export const options =", "globalThis.__options =")
    plain = plain.replace("export default function ()", "globalThis.__main = function ()")
    assert "import " not in re.sub(r"//.*", "", plain), "an import of another form"
    return f"{{\n{plain}\n}}"
