"""The commands, one file each: arguments, what is printed, and nothing that another room does.

A command imports what it needs when it runs, so that ``--help`` waits for no model library.
"""
