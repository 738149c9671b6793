"""Metric families as rows of tables: those about jobs and those about sources."""

from exporter.families.family import Family, Sample, metrics
from exporter.families.group_families import GROUP_FAMILIES, GroupView, group_families
from exporter.families.job_families import (
    AS_OF,
    JOB_FAMILIES,
    OPTIONAL,
    SINGLE_JOBS,
    JobView,
    dropped,
    essential,
    job_families,
    job_views,
)
from exporter.families.source_families import SOURCE_FAMILIES, source_families

__all__ = [
    "AS_OF",
    "GROUP_FAMILIES",
    "JOB_FAMILIES",
    "OPTIONAL",
    "SINGLE_JOBS",
    "SOURCE_FAMILIES",
    "Family",
    "GroupView",
    "JobView",
    "Sample",
    "dropped",
    "essential",
    "group_families",
    "job_families",
    "job_views",
    "metrics",
    "source_families",
]
