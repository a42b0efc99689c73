"""MedChat's models and figures. Knows neither the web page nor the database."""

__version__ = "0.1.0"
