from django.apps import AppConfig


class ServicingConfig(AppConfig):
    name = "timelyrain.servicing"
    label = "servicing"
    verbose_name = "Loans"

    def ready(self) -> None:
        from timelyrain.origination import ports
        from timelyrain.servicing import lives, outcomes

        ports.tell_outcomes(outcomes.of_offers)  # origination lies below and cannot ask
        ports.tell_lives(lives.of_offers)
