"""The chapter *A diffusion model of emoji people*."""
