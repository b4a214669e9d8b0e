"""Entries of the engine's tables as sections of the file: a name alone, or a mapping of name and options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import Field, GetCoreSchemaHandler, create_model
from pydantic_core import PydanticCustomError, core_schema

from nnrun.config.constraints import Bounds, Section
from nnrun.engine.augmentation import AUGMENTATIONS, Augmentation
from nnrun.engine.initializers import INITIALIZERS, Initializer
from nnrun.engine.schedules import SCHEDULES, Schedule

EntryType = TypeVar("EntryType", bound="Entry")


class Entry(Section):
    """A name from a table and the options of that entry."""

    factory: ClassVar[type[Any]]
    name: str

    def _entry(self) -> Any:
        """What stands in the table under the name, with these options."""
        return self.factory(**self.model_dump(exclude={"name"}))


class ScheduleEntry(Entry):
    """A learning-rate schedule and its options."""

    def build(self) -> Schedule:
        """The engine's schedule."""
        schedule: Schedule = self._entry()
        return schedule


class InitializerEntry(Entry):
    """An initialisation of the weights and its options."""

    def build(self) -> Initializer:
        """The engine's initialiser."""
        initializer: Initializer = self._entry()
        return initializer


class AugmentationEntry(Entry):
    """A way to change training examples, and its options."""

    def build(self) -> Augmentation:
        """The engine's augmentation."""
        augmentation: Augmentation = self._entry()
        return augmentation


def _constrained(kind: Any, bounds: Bounds) -> Any:
    """The bounds of an option hold for its number, of a mapping for the values."""
    if get_origin(kind) is dict:
        key_kind, value_kind = get_args(kind)
        return dict[key_kind, Annotated[value_kind, bounds]]  # type: ignore[valid-type]
    return Annotated[kind, bounds] if bounds != Bounds() else kind


def _option_fields(factory: type[Any]) -> dict[str, tuple[Any, Any]]:
    """The type and the field of each option, as pydantic wants them."""
    hints = get_type_hints(factory)
    fields = {}
    for option in dataclasses.fields(factory):
        about = dict(option.metadata)
        help_text = about.pop("help")
        default = option.default if option.default_factory is dataclasses.MISSING else option.default_factory()
        kind = _constrained(hints[option.name], Bounds(**about))
        fields[option.name] = (kind, Field(default, description=help_text))
    return fields


def entry_models(table: Mapping[str, type[Any]], base: type[EntryType]) -> dict[str, type[EntryType]]:
    """A model for each entry of a table, made from the options of its dataclass."""
    models = {}
    for name, factory in table.items():
        fields: Any = {"name": (Literal[name], Field(description=f"`{name}`")), **_option_fields(factory)}
        model = create_model(
            f"{base.__name__}_{name}",
            __base__=base,
            __doc__=(factory.__doc__ or name).splitlines()[0],
            **fields,
        )
        model.factory = factory
        globals()[model.__name__] = model  # where pickle looks for it
        models[name] = model
    return models


@dataclass(frozen=True, eq=False)
class Entries:
    """Marks a key whose value names an entry of a table."""

    models: Mapping[str, type[Entry]]

    def spell_out(self, value: Any) -> Any:
        """`cosine` → {name: cosine}; an error unless the name is in the table."""
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, Entry):
            return value
        if not isinstance(value, dict):
            raise PydanticCustomError("wrong_kind", "a name or a mapping with a name")
        if not isinstance(value.get("name"), str):
            raise PydanticCustomError("nameless", "nameless", {"allowed": tuple(self.models)})
        if value["name"] not in self.models:
            raise PydanticCustomError("choice", "unknown choice", {"allowed": tuple(self.models), "at": "name"})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        choices = {name: handler.generate_schema(model) for name, model in self.models.items()}
        entry = core_schema.tagged_union_schema(choices, discriminator="name")
        names = core_schema.literal_schema(list(self.models))
        return core_schema.no_info_before_validator_function(
            self.spell_out, entry, json_schema_input_schema=core_schema.union_schema([names, entry])
        )


ScheduleKey = Annotated[ScheduleEntry, Entries(entry_models(SCHEDULES, ScheduleEntry))]
AugmentationKey = Annotated[AugmentationEntry, Entries(entry_models(AUGMENTATIONS, AugmentationEntry))]
InitializerKey = Annotated[InitializerEntry, Entries(entry_models(INITIALIZERS, InitializerEntry))]
