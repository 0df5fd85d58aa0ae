"""Simpler methods that restricted Boltzmann machines are compared with.

Shape letters: N examples, V words of the vocabulary, H features or topics, U users, G items, K values of a scale.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from zoo.data.core.sparse import SparseRows
from zoo.training.runtime import seeded

NEIGHBOURS = 5
SHRINKAGE = 5.0  # ratings of the mean that each item and each user is taken to have had besides
MAX_NEIGHBOURS = 4096  # items of which each is compared with each, in some 400 MB
ROUNDS = 10  # of fitting items and users in turns
DRAWS = 1000  # of the shares of topics, by which a document's probability under LDA is estimated


def knn_accuracy(train: Tensor, labels: Tensor, test: Tensor, truths: Tensor) -> float:
    """The share of test examples (N, H) whose class most of the 5 nearest training examples have."""
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = KNeighborsClassifier(NEIGHBOURS, algorithm="brute").fit(train.numpy(), labels.numpy())
    return float(neighbours.score(test.numpy(), truths.numpy()))


def item_and_user_effects(known: SparseRows, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ratings (U, G) as the mean of all (), plus an effect of the item (G,), plus one of the user (U,).

    The effects are those of least squares, with a penalty of 5 times the square of each, fitted in turns.

    Args:
        known: ratings (U, G).
        scale: what the codes from 1 stand for (K,).
    """
    users, items, ratings = known.owners, known.places.long(), scale[known.codes.long() - 1].double()
    mean = ratings.mean()
    by_user, by_item = known.counts + SHRINKAGE, items.bincount(minlength=known.width) + SHRINKAGE
    user = torch.zeros(len(known), dtype=torch.double)
    for _ in range(ROUNDS):
        item = items.bincount(ratings - mean - user[users], minlength=known.width) / by_item
        user = users.bincount(ratings - mean - item[items], minlength=len(known)) / by_user
    return mean, item, user


def item_neighbours(
    known: SparseRows, held_out: SparseRows, scale: Tensor, effects: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Held-out ratings (S,) by the effects of item and user, and a user's ratings of items that are rated alike.

    Sarwar et al., "Item-based collaborative filtering recommendation algorithms", 2001, on what the effects leave over:
    the mean of it over the rated items, weighted by scikit-learn's cosine similarity of items, those alike alone.

    Args:
        known: ratings (U, G), of at most `MAX_NEIGHBOURS` items: each is compared with each.
        held_out: ratings of the same users and items.
        scale: what the codes from 1 stand for (K,).
        effects: as `item_and_user_effects` gives them for `known`.
    """
    from scipy.sparse import csr_matrix
    from sklearn.metrics.pairwise import cosine_similarity

    mean, item, user = effects
    places = known.places.long()
    left = scale[known.codes.long() - 1].double() - mean - item[places] - user[known.owners]
    shape = (len(known), known.width)
    over, ones = (
        csr_matrix((values.numpy(), places.numpy(), known.starts.numpy()), shape)
        for values in (left, torch.ones_like(left))
    )
    together = (ones.T @ ones).toarray()  # users that have rated both
    alike = cosine_similarity(over.T, dense_output=True)
    alike = alike.clip(min=0) * together / (together + SHRINKAGE)
    np.fill_diagonal(alike, 0)
    users, items = held_out.owners, held_out.places.long()
    found = []
    for chunk in torch.arange(len(known)).split(1024):
        first, last = int(chunk[0]), int(chunk[-1]) + 1
        mine = (users >= first) & (users < last)
        more = (over[first:last] @ alike) / (ones[first:last] @ alike + 1 / SHRINKAGE)
        found.append(torch.from_numpy(more)[users[mine] - first, items[mine]])
    return mean + item[items] + user[users] + torch.cat(found)


def lda_perplexity(train: Tensor, test: Tensor, topics: int) -> float:
    """exp(-log p / words) of test documents (N, V) by latent Dirichlet allocation of training documents.

    p(document) is estimated without bias, by importance sampling from the variational posterior, and not by the
    variational bound, which is lower: the mean of p(document | shares of topics) over draws of the shares, each
    weighted by how much likelier it is a priori than there.

    Args:
        train, test: counts (N, V).
        topics: how many.
    """
    from sklearn.decomposition import LatentDirichletAllocation

    prior = 1 / topics
    lda = LatentDirichletAllocation(topics, doc_topic_prior=prior, learning_method="batch", max_iter=50, random_state=0)
    lda.fit(train.numpy())
    words = torch.from_numpy(lda.components_)
    words = words / words.sum(dim=1, keepdim=True)  # H, V
    lengths = test.sum(dim=1).double()
    shares = torch.from_numpy(lda.transform(test.numpy())).double()  # the mean of the posterior, whose parameters
    posterior = torch.distributions.Dirichlet(shares * (topics * prior + lengths[:, None]))  # add up to that
    before = torch.distributions.Dirichlet(torch.full((topics,), prior, dtype=torch.float64))
    with seeded(0):
        logs = []
        for _ in range(DRAWS):
            drawn = posterior.sample().clamp(min=1e-12)
            drawn = drawn / drawn.sum(dim=1, keepdim=True)
            given = (test.double() * (drawn @ words).log()).sum(dim=1)
            logs.append(given + before.log_prob(drawn) - posterior.log_prob(drawn))
    total = float((torch.stack(logs).logsumexp(dim=0) - math.log(DRAWS)).sum())
    return math.exp(-total / float(lengths.sum()))
