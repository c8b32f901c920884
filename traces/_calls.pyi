# What it offers besides is asked of it as of any module (`traces.compiled`).
REVISION: int
