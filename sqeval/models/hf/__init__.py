"""Any image-text-to-text model of transformers, behind the harness's model protocol."""
