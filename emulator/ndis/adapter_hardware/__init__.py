"""What a miniport meets of its adapter: registers, interrupts, memory that both see, DMA."""
