"""Measures of latents, likelihood, styles and reconstructions."""

from drumvae.metrics.collapse import (
    Cost,
    active_curve,
    active_units,
    cost_of_replacing,
    dimension_verdict,
    sensitivity,
)
from drumvae.metrics.information import Information, aggregate, information
from drumvae.metrics.likelihood import log_mean_weights, negative_log_likelihood
from drumvae.metrics.measures import GrooveMeasures
from drumvae.metrics.reconstruction import onset_f1
from drumvae.metrics.style import Separation, probe, separation, style_information

__all__ = [
    "Cost",
    "GrooveMeasures",
    "Information",
    "Separation",
    "active_curve",
    "active_units",
    "aggregate",
    "cost_of_replacing",
    "dimension_verdict",
    "information",
    "log_mean_weights",
    "negative_log_likelihood",
    "onset_f1",
    "probe",
    "sensitivity",
    "separation",
    "style_information",
]
