"""How bright a colour is: ITU-R BT.601 in 14 bits, as OpenCV has it. They add up to 1: grey stays grey."""

BLUE, GREEN, RED, HALF, BITS = 1868, 9617, 4899, 8192, 14
