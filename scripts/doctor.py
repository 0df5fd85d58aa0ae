"""Say what this machine can do: python scripts/doctor.py"""

from zoo.cli import main

if __name__ == "__main__":
    main("doctor")
