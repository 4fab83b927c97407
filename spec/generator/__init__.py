# SPDX-License-Identifier: Apache-2.0
"""What spec/generate.py is made of: facts.py reads and checks, each other module writes one sort of file."""
