"""Pictures of episodes; they need matplotlib, `kerasmeta[plots]`."""

from kerasmeta.visualization.plot_episode import plot_episode
