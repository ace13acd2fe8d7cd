"""What several questions share: tasks, learners, models, optimisers, digits."""
