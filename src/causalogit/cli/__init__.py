"""The command line."""

import warnings

# raised by dependencies while they are imported, in every process of a comparison; nothing that a
# user of the command line could do about it
warnings.filterwarnings("ignore", message=r".*torch\.jit\.", category=FutureWarning)
warnings.filterwarnings("ignore", message=r".*torch\.jit\.", category=DeprecationWarning)
