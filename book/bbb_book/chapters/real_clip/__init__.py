"""The chapter *What real CLIP says of occupations*."""
