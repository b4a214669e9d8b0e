"""Functions that are compiled to be called by another one, which alone becomes machine code.

Numba optimises each function with all that it calls, and turns each into machine code; what is deep among calls is
worked on again by every caller. Here it stops before: a function is a draft, linked with those it calls, and
`machine_code.compiled` optimises the outermost, once: in less than half of the time that the training step took.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class Draft(CPUCodeLibrary):  # type: ignore[misc]
    """The code of a function and of those that it calls."""

    def finalize(self) -> None:
        """Link them."""
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class Drafting(NativeLowering):  # type: ignore[misc]
    """Lowers a function to a draft that others can call."""

    _name = "drafting"

    def run_pass(self, state: Any) -> bool:
        """Without machine code there is no function of Python's either, but something must stand for it."""
        state.library = Draft(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        state.library.finalize()
        token: Any = [].append
        state.targetctx.insert_user_function(token, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=token)
        return True


class Drafted(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with this as its last pass."""

    def define_pipelines(self) -> list[Any]:
        """The passes."""
        line = DefaultPassBuilder.define_nopython_pipeline(self.state)
        line.passes = [(Drafting if each is NativeLowering else each, name) for each, name in line.passes]
        line.finalize()
        return [line]
