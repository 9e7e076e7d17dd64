"""The `dashscope` provider: Qwen-Image from Alibaba Cloud."""
