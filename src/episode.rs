//! Environment x policy -> experience: judging a frozen policy, and training an agent.
