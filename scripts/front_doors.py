"""The doors that import-linter has no contract type for: how one room may enter another, as a contract of its own.

A library is entered by its package alone; an app by its door modules; a face and the composition root by the composition root;
what stands outside by nobody, and it enters nothing. Libraries import no framework. Rooms that do not exist yet are passed over.
"""

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class FrontDoors(Contract):
    type_name = "front_doors"

    libraries = fields.ListField(subfield=fields.StringField())
    apps = fields.ListField(subfield=fields.StringField())
    doors = fields.ListField(subfield=fields.StringField())
    faces = fields.ListField(subfield=fields.StringField())
    composition_root = fields.ListField(subfield=fields.StringField())
    outside = fields.ListField(subfield=fields.StringField())
    pure_of = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        wrong = [
            f"{importer} imports {imported}: {reason}"
            for importer in sorted(graph.modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if (reason := self._refusal(importer, imported))
        ]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["wrong"]:
            output.print_error(line)

    def _refusal(self, importer: str, imported: str) -> str | None:
        """Why this import is not allowed; None when it is."""
        lists: Any = self  # the fields hold plain lists once the contract is loaded
        _, here, _ = _split(importer)
        package, room, module = _split(imported)
        if package != "timelyrain":
            return (
                "a library imports no framework"
                if here in lists.libraries and package in lists.pure_of
                else None
            )
        if here == room or not room:
            return None
        if here in lists.outside:
            return "what stands outside knows nothing of ours"
        if room in lists.outside:
            return "the outside world is reached over HTTP"
        if room in lists.libraries and module:
            return f"enter by `from timelyrain.{room} import ...`"
        if here in lists.composition_root:
            return None
        if room in lists.apps and module not in lists.doors:
            return f"enter by timelyrain.{room}.{{{', '.join(lists.doors)}}}"
        if room in lists.faces or room in lists.composition_root:
            return "only the composition root knows the faces"
        return None


def _split(module: str) -> tuple[str, str, str]:
    """("timelyrain", room, first module in the room); empty where the name ends sooner."""
    package, room, inner, *_ = [*module.split("."), "", ""]
    return package, room, inner
