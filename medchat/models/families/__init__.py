"""What distinguishes the families of models: one module or folder each."""
