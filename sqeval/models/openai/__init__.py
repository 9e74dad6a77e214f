"""Models behind an OpenAI-compatible address: OpenAI's own, vLLM, SGLang, Ollama, llama.cpp, ..."""
