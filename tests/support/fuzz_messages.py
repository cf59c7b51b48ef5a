"""Requests made from their descriptors: plausible ones, and the same with something odd in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

# By field name: what such fields hold in the database (`order_id`, `county_code`).
Known = Mapping[str, Sequence[str]]
# A FieldDescriptor, of which there are two kinds.
Field: TypeAlias = Any

# Something for every pattern of the contracts.
WORDS = (
    *("22.1", "22.2", "00001", "00002", "00003", "00004", "510104", "510105", "51", "5101"),
    *("1", "12", "1234", "22100001", "510104221001", "2022-04-16", "13812345678", "held"),
    *("someone@example.org", "ABC123", "", "锦江区"),
)
ODD_TEXTS = (
    *("", " ", "\0", "a\0b", "\u202e\u0661\u0662", "e\u0301" * 9, "\u200b\ufeff", "\ue000\uf8ff"),
    *("\U00020000\U0002a6df", "\U000e0001\U0010ffff", "\uffff", "１２３４５", "null", "NaN"),
    *("'; DROP SCHEMA enrollment CASCADE; --", "{detail}{0}", "%s%n", "../../etc/passwd"),
    *("{1,2}", '"\\', "\r\n", "00001\n", "22.1 ", "510104\n"),
)
FILLERS = ("7", "汉", "\U00020bb7", "\u0301")
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
# Years 1, 1970, 9999 and beyond; the longest duration there is, and beyond.
ODD_SECONDS = (0, -1, -62135596800, 253402300799, 253402300800, 315576000001, 2**63 - 1, -(2**63))
ODD_NANOS = (-1, 0, 999_999_999, 10**9, 2**31 - 1, -(2**31))
LONG = 100_000
MANY = 5000
# A list is made no longer: more than any server takes, and no more than tests have room for.
LARGEST_BYTES = 8 * 2**20


@cache
def rules_of(field: Field) -> Any:
    """What the contract says of a field."""
    return field.GetOptions().Extensions[validate_pb2.field]


class MessageMaker:
    """Makes messages by chance: the same ones for the same seed."""

    def __init__(self, chance: Random, known: Known, seconds: int, *examples: Message) -> None:
        """`seconds`: times are around this one, since 1970. `examples` of messages that chance
        would hardly ever make as they must be.
        """
        self._chance = chance
        self._known = known
        self._seconds = seconds
        self._examples = {example.DESCRIPTOR.full_name: example for example in examples}
        self._ids: list[str] = []

    def plausible(self, kind: Descriptor) -> Message:
        """One that keeps most rules of its contract, about things that there are."""
        message: Message = GetMessageClass(kind)()
        self._fill(message)
        return message

    def odd(self, kind: Descriptor) -> Message:
        """A plausible one in which a field or two are not."""
        message = self.plausible(kind)
        for _ in range(self._chance.choice((1, 1, 2))):
            places = list(_places(message))
            if places:
                self._spoil(*self._chance.choice(places))
        return message

    def _fill(self, message: Message) -> None:
        for field in message.DESCRIPTOR.fields:
            rules = rules_of(field)
            if field.is_repeated:
                self._extend(getattr(message, field.name), field, rules.repeated)
            elif field.message_type is None:
                setattr(message, field.name, self._scalar(field, rules))
            elif rules.required or self._chance.random() < 0.6:
                self._fill_inner(getattr(message, field.name), rules)

    def _fill_inner(self, inner: Any, rules: Any) -> None:
        inner.SetInParent()
        example = self._examples.get(inner.DESCRIPTOR.full_name)
        if example is not None and self._chance.random() < 0.8:
            inner.CopyFrom(example)
            return
        match inner.DESCRIPTOR.full_name:
            case "google.protobuf.Timestamp":
                inner.seconds = self._seconds + self._chance.randint(-(10**6), 10**6)
            case "google.protobuf.Duration":
                inner.seconds = max(rules.duration.gte.seconds, self._chance.randint(1, 3600))
            case _:
                self._fill(inner)

    def _extend(self, values: Any, field: Field, rules: Any) -> None:
        most = max(rules.min_items, min(rules.max_items or 3, 3))
        for _ in range(self._chance.randint(rules.min_items, most)):
            if field.message_type is not None:
                self._fill_inner(values.add(), rules.items)
                continue
            value = self._scalar(field, rules.items)
            if not (rules.unique and value in values):
                values.append(value)

    def _scalar(self, field: Field, rules: Any) -> Any:
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return self._text(field.name, rules.string)
            case FieldDescriptor.TYPE_BYTES:
                return self._chance.randbytes(rules.bytes.min_len or self._chance.randint(0, 20))
            case FieldDescriptor.TYPE_BOOL:
                return self._chance.random() < 0.5
            case FieldDescriptor.TYPE_ENUM:
                numbers = [value.number for value in field.enum_type.values]
                return self._chance.choice(numbers[1:] or numbers)
            case kind if kind in _INTEGERS:
                return self._integer(*_bounds(field, rules))
            case _:
                return self._chance.random()

    def _integer(self, low: int, high: int) -> int:
        least = max(low, -1)
        return self._chance.randint(least, min(high, least + self._chance.choice((3, 50))))

    def _text(self, name: str, rules: Any) -> str:
        if name == "request_id":
            return self._request_id()
        known: Sequence[str] = self._known.get(name) or self._known.get(name.removesuffix("s"), ())
        if known and self._chance.random() < 0.9:
            return self._chance.choice(known)
        if rules.uuid:
            return self._new_id()
        fitting = _words(rules.pattern, rules.min_len, rules.max_len or LONG)
        text: str = self._chance.choice(fitting or ("锦" * max(rules.min_len, 1),))
        return text

    def _request_id(self) -> str:
        if self._ids and self._chance.random() < 0.05:
            return self._chance.choice(self._ids)
        self._ids.append(self._new_id())
        return self._ids[-1]

    def _new_id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    def _spoil(self, message: Message, field: Field) -> None:
        rules = rules_of(field)
        if self._chance.random() < 0.1 or (field.message_type and not field.is_repeated):
            message.ClearField(field.name)
        elif field.is_repeated:
            self._spoil_list(getattr(message, field.name), field, rules.repeated)
        else:
            setattr(message, field.name, self._odd_scalar(field, rules))

    def _spoil_list(self, values: Any, field: Field, rules: Any) -> None:
        if not values:
            return
        limit = rules.max_items or MANY
        times = self._chance.choice((1, limit - len(values), limit + 1, 2 * limit))
        if field.message_type is None and self._chance.random() < 0.5:
            values[self._chance.randrange(len(values))] = self._odd_scalar(field, rules.items)
        else:
            room = LARGEST_BYTES // _bytes_of(values[0])
            values.extend([values[0]] * min(max(times, 1), MANY, room))

    def _odd_scalar(self, field: Field, rules: Any) -> Any:
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return self._odd_text(rules.string)
            case FieldDescriptor.TYPE_BYTES:
                sizes = (0, rules.bytes.max_len, rules.bytes.max_len + 1)
                return self._chance.randbytes(self._chance.choice(sizes))
            case FieldDescriptor.TYPE_BOOL:
                return self._chance.random() < 0.5
            case FieldDescriptor.TYPE_ENUM:
                return self._chance.choice((0, -1, 99, 2**31 - 1, -(2**31)))
            case kind if kind in _INTEGERS:
                return self._odd_integer(field, rules)
            case _:
                return self._chance.choice((float("nan"), float("inf"), -0.0, 1e308))

    def _odd_text(self, rules: Any) -> str:
        if self._chance.random() < 0.6:
            return self._chance.choice(ODD_TEXTS)
        limit = rules.max_len or 64
        length = self._chance.choice((1, limit - 1, limit, limit + 1, limit + 1, LONG))
        return self._chance.choice(FILLERS) * length

    def _odd_integer(self, field: Field, rules: Any) -> int:
        low, high = _INTEGERS[field.type]
        least, most = _bounds(field, rules)
        extremes: Sequence[int] = (low, high, 0, 1, -1, least - 1, least, most, most + 1)
        if field.containing_type.full_name in _TIMES:
            extremes = ODD_SECONDS if field.name == "seconds" else ODD_NANOS
        return self._chance.choice([value for value in extremes if low <= value <= high])


_TIMES = {"google.protobuf.Timestamp", "google.protobuf.Duration"}


def _bytes_of(value: Any) -> int:
    """At most how many bytes a value of a list takes, at least one."""
    size: int = value.ByteSize() if isinstance(value, Message) else len(str(value).encode())
    return size + 1


def _bounds(field: Field, rules: Any) -> tuple[int, int]:
    """The least and the most that an integer field may be."""
    kind = _INTEGERS[field.type]
    names = {FieldDescriptor.TYPE_INT32: "int32", FieldDescriptor.TYPE_INT64: "int64"}
    if field.type not in names:
        return kind
    stated = getattr(rules, names[field.type])
    low, high = kind
    bounds: Sequence[tuple[str, Callable[[int], tuple[int, int]]]] = (
        ("gte", lambda at: (at, high)),
        ("gt", lambda at: (at + 1, high)),
        ("lte", lambda at: (low, at)),
        ("lt", lambda at: (low, at - 1)),
    )
    for name, bound in bounds:
        if stated.HasField(name):
            low, high = bound(getattr(stated, name))
    return low, high


@cache
def _words(pattern: str, least: int, most: int) -> Sequence[str]:
    return [
        word
        for word in WORDS
        if least <= len(word) <= most and re.search(pattern, word) is not None
    ]


def _places(message: Message) -> Iterator[tuple[Message, Field]]:
    """Every field of a message, and of those in it that are set."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
        if field.message_type is None:
            continue
        value = getattr(message, field.name)
        if field.is_repeated:
            for each in value:
                yield from _places(each)
        elif message.HasField(field.name):
            yield from _places(value)
