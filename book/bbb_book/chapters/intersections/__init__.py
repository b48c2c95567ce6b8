"""The chapter *Gender, skin tone and occupation*."""
