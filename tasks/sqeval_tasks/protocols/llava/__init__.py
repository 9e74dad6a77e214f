"""The tasks as LLaVA-1.5's own evaluation scripts do them (haotian-liu/LLaVA), and captions, which those lack, as the
scripts of SQ-LLaVA do (heliossun/SQ-LLaVA)."""
