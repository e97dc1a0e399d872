"""What the fold says to a history that cannot be."""

from .events import Event


class ContractViolation(ValueError):
    """An event that cannot have happened under these terms: which event, which rule, which values, what to do."""

    def __init__(self, event: Event, rule: str, detail: str, **values: object) -> None:
        self.event_id = event.id
        self.rule = rule
        self.values = values
        shown = ", ".join(f"{name}={value}" for name, value in values.items())
        super().__init__(
            f"event {event.id} ({event.type} on {event.value_on}) breaks {rule}: {detail} ({shown})"
        )
