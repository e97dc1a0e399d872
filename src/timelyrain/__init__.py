"""TimelyRain (及时雨): a self-hosted instant-lending platform."""

__version__ = "0.1.0"
