"""What pyproject.toml cannot say: the folder conf travels in the package, as zoo/conf."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["zoo", "zoo.*"]), "zoo.conf"], package_dir={"zoo.conf": "conf"})
