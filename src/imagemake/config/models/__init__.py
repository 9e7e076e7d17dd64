"""Models: what each accepts, what it costs, and when it is shut down. The table itself is models.toml."""

from imagemake.config.models.asked_costs import asked_usd, asked_worst_usd
from imagemake.config.models.checks import problems_of
from imagemake.config.models.costs import cost_usd, estimate_usd, gpu_usd, gpus_of, is_by_gpu_hour, worst_usd
from imagemake.config.models.facts import ModelFacts
from imagemake.config.models.findings import ModelFinding, Severity
from imagemake.config.models.reference_checks import problems_in_batch, problems_of_files
from imagemake.config.models.table import Model, ModelTable, facts_over, load_models

__all__ = [
    "Model",
    "ModelFacts",
    "ModelFinding",
    "ModelTable",
    "Severity",
    "asked_usd",
    "asked_worst_usd",
    "cost_usd",
    "estimate_usd",
    "facts_over",
    "gpu_usd",
    "gpus_of",
    "is_by_gpu_hour",
    "load_models",
    "problems_in_batch",
    "problems_of",
    "problems_of_files",
    "worst_usd",
]
