"""Bloom, and Huozi, which is one."""
