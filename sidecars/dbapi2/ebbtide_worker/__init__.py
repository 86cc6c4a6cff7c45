"""Runs statements through Python's DB-API 2 modules for a program that speaks the frame protocol of docs/SIDECARS.md.

It needs nothing but the standard library, of Python 3.6 or newer. The library keeps these files in a folder of their own
and starts them with the command that is written there.

Imports go in this order: frames < parameters, values, failures, requests < columns < rows < driver < text_driver < the drivers <
modules < channel < process. The modules cancellation and shutdown import none of these.
"""
