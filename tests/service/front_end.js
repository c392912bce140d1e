// The front end of the source, as it stands there (会话功能 API 文档, 前端实现建议).

// 首次加载
const loadMessages = async (conversationId) => {
  const response = await api.post('/api/v1/conversation/get_messages', {
    conversation_id: conversationId,
    limit: 20
  });
  
  // 显示消息（最新的在底部）
  displayMessages(response.messages);
  
  // 如果还有更多消息，显示"加载更多"按钮
  if (response.has_more) {
    showLoadMoreButton();
  }
};

// 向上翻页加载历史消息
const loadMoreMessages = async (conversationId) => {
  const oldestMessage = messages[0]; // 当前列表中最早的消息
  
  const response = await api.post('/api/v1/conversation/get_messages', {
    conversation_id: conversationId,
    before_timestamp: oldestMessage.created_at,
    limit: 20
  });
  
  // 将新消息插入到列表顶部
  prependMessages(response.messages);
};

// 轮询获取新消息
let pollingInterval;

const startPolling = (conversationId) => {
  pollingInterval = setInterval(async () => {
    const latestMessage = messages[messages.length - 1];
    
    const response = await api.post('/api/v1/conversation/get_messages', {
      conversation_id: conversationId,
      // 不传 before_timestamp，获取最新消息
      limit: 20
    });
    
    // 找出新消息并添加到列表
    const newMessages = response.messages.filter(msg => 
      msg.created_at > latestMessage.created_at
    );
    
    if (newMessages.length > 0) {
      appendMessages(newMessages);
      playNotificationSound();
    }
  }, 5000); // 5秒轮询一次
};

const stopPolling = () => {
  clearInterval(pollingInterval);
};

// 在会话列表页面显示未读数
const renderConversationList = (conversations) => {
  conversations.forEach(conv => {
    if (conv.unread_count > 0) {
      showUnreadBadge(conv.conversation_id, conv.unread_count);
    }
  });
};

// 进入会话时标记已读
const enterConversation = async (conversationId) => {
  await api.post('/api/v1/conversation/mark_read', {
    conversation_id: conversationId
  });
  
  clearUnreadBadge(conversationId);
  startPolling(conversationId);
};

// 离开会话时停止轮询
const leaveConversation = () => {
  stopPolling();
};
