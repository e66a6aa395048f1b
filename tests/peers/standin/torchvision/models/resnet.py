class BasicBlock:
    """No module is one."""


class Bottleneck:
    """No module is one."""
