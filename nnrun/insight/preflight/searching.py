"""Whether a search of the configuration could begin."""

from __future__ import annotations

from nnrun.errors import ConfigError, UsageError
from nnrun.insight.preflight.context import Context
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import counted

REFUSED = "correct it, or remove it: a search refuses it, though training reads none of it"


def check_search(context: Context) -> Finding:
    """The section `search` as a search looks at it before its first trial; without one there is nothing to refuse."""
    config = context.given.config
    if "search" not in config.model_fields_set:
        return Finding("pass", "the config has no section search")
    from nnrun.search.verbs import examined  # here, as most configs have none, and it takes longer to load than they

    try:
        space = examined(context.given, context.dataset)
    except ConfigError as error:
        return Finding("fail", "; ".join(error.problems), REFUSED, {"problems": error.problems})
    except UsageError as error:
        return Finding("warn", str(error))
    text = f"{config.search.strategy} over {counted(len(space.parameters), 'parameter')}"
    return Finding("pass", "; ".join([text, *space.notices]), numbers={"notices": list(space.notices)})
