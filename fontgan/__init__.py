"""GANs on the letters A-Z, and mode collapse: which letters does the generator forget?"""

import string

LETTERS = string.ascii_uppercase
