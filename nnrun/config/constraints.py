"""What a value may be beyond its type; each constraint checks it and says so in JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from nnrun.config.values import kind

Complaint = tuple[tuple[str, ...], str]  # where, below the thing that is checked, and what is wrong


class Section(BaseModel):
    """Base of every mapping in the file: frozen, no unknown keys, no conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def key(default: Any, help: str) -> Any:
    """A key of a section with its default and one line of help."""
    return Field(default, description=help, validate_default=True)


def complain(*complaints: Complaint) -> PydanticCustomError:
    """One error that carries any number of finished messages."""
    return PydanticCustomError("complaints", "contradiction", {"complaints": complaints})


@dataclass(frozen=True)
class Bounds:
    """An interval of numbers."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def phrase(self) -> str:
        """`at least 0 and below 1`."""
        parts = {"at least": self.ge, "above": self.gt, "at most": self.le, "below": self.lt}
        return " and ".join(f"{words} {bound}" for words, bound in parts.items() if bound is not None)

    def check(self, value: float) -> float:
        """The value, or an error that names both ends."""
        inside = (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )
        if not inside:
            raise PydanticCustomError("out_of_range", "must be {phrase}", {"phrase": self.phrase()})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        words = {"minimum": self.ge, "exclusiveMinimum": self.gt, "maximum": self.le, "exclusiveMaximum": self.lt}
        return handler(schema) | {word: bound for word, bound in words.items() if bound is not None}


@dataclass(frozen=True)
class OneOf:
    """A text out of a list; without names, those of the Literal that it annotates."""

    names: tuple[str, ...] = ()
    also: str = ""  # what else the key takes, for the message

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        names = self.names or get_args(source)

        def check(value: str) -> str:
            if value not in names:
                raise PydanticCustomError("choice", "unknown choice", {"allowed": names, "also": self.also})
            return value

        text = core_schema.str_schema(strict=True)
        return core_schema.no_info_after_validator_function(check, text, metadata={"names": names})

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "enum": list(schema["metadata"]["names"])}


def kind_tag(kind_name: str) -> str:
    """The tag of a union's alternative for values of this kind; the brackets keep it apart from keys."""
    return f"<{kind_name}>"


def by_kind(expected: str) -> Discriminator:
    """Chooses a union's alternative by the kind of the value alone, so that one mistake gives one error."""
    return Discriminator(
        lambda value: kind_tag("mapping" if isinstance(value, BaseModel) else kind(_as_list(value))),
        custom_error_type="wrong_kind",
        custom_error_message=expected,
    )


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
