# Run in the tree as root: the program from PyPI, in the directory that the Matrix project's Debian packages use.
python3 -m venv /opt/venvs/matrix-synapse
/opt/venvs/matrix-synapse/bin/pip install --quiet --only-binary=:all: matrix-synapse==1.163.2
