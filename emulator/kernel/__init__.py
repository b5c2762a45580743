"""The Windows kernel as drivers meet it: processors, IRQL, work queues, locks, pool; decides, and does no I/O."""
