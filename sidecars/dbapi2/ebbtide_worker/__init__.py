"""Runs statements through Python's DB-API 2 modules for a program that speaks the frame protocol of docs/SIDECARS.md.

It needs nothing but the standard library, of Python 3.6 or newer. The library keeps these files in a folder of their own
and starts them with

    python -B -c "import sys; sys.path.insert(0, sys.argv[1]); from ebbtide_worker.process import main; main()" FOLDER

Imports go in this order: frames < parameters, values, failures < fused < rows < driver < text_driver < the drivers < modules <
channel < process.
"""
